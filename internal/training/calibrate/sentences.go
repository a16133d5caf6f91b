package calibrate

import "strings"

// sentences say what is often on photos. Where photos have no captions, they stand for queries that make sense.
var sentences = strings.Split(`a dog runs through the grass
a cat sleeps on a sofa
children play on the beach
a man rides a bicycle down the street
a woman smiles at the camera
a birthday cake with candles
snow on the mountains
a sunset over the sea
people sit at a table in a restaurant
a red car parked in front of a house
a boat on a lake
a crowd at a concert
flowers in a garden
a bride and groom at their wedding
a baby in a white blanket
a plate of food on a table
a train at a station
a horse in a field
a football match in a stadium
a skyscraper against a blue sky
a bridge over a river
a girl in a pink dress
two friends hugging
a man with a guitar
a bird on a branch
a forest path in autumn
a city street at night
a boy jumps into a swimming pool
a group of people posing for a photo
a christmas tree with lights
a cup of coffee and a book
a tent on a campsite
an old church
a market with fruit and vegetables
a surfer on a wave
skiers on a slope
a waterfall between rocks
a child on a swing
fireworks over a town
a man in a suit giving a speech
a living room with a fireplace
a kitchen with white cupboards
a bus in traffic
a motorcycle on a road
an airplane in the sky
sheep on a hill
a lighthouse on the coast
a woman in a red coat walks in the rain
a family at the zoo
a wooden table with a laptop
a dog with a ball in its mouth
a statue in a park
a narrow alley between old houses
a runner in a race
a street musician
a castle on a hill
cows on a meadow
a garden full of roses
a portrait of an old man
a view from the window of a plane
a sandy beach with palm trees
a pizza on a plate
a bedroom with a large bed
people dancing at a party`, "\n")
