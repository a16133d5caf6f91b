"""Losses of some training steps of a checkpoint in PyTorch: torch_steps.py FOLDER STEPS LR.

FOLDER is what TestStepsOfPyTorch writes (checkpoint.pth.tar, vinvl, features, coco_ir). One batch holds all pairs; there
is no dropout. The losses are the triplet loss of alignment and its distillation (ListNet), as in the released code.
"""
import base64, json, math, sys
import numpy as np, torch
import torch.nn.functional as F

folder, steps, lr = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
torch.set_num_threads(1)
checkpoint = torch.load(folder + "/checkpoint.pth.tar", weights_only=False)
config = json.load(open(folder + "/vinvl/config.json"))
opt = checkpoint["opt"]
T = getattr(opt, "max_caption_seq_len", None) or opt.max_seq_length
L = getattr(opt, "max_labels_seq_len", None) or opt.max_seq_length
R = opt.max_img_seq_length
H, heads, layers = config["hidden_size"], config["num_attention_heads"], config["num_hidden_layers"]
P = {k: torch.nn.Parameter(v.clone()) for k, v in checkpoint["model"].items()}
vocabulary = {w: i for i, w in enumerate(open(folder + "/vinvl/vocab.txt").read().split("\n"))}
captions = torch.load(folder + "/coco_ir/train_captions.pt", weights_only=False)
features, labels = {}, {}
for line in open(folder + "/features/features.tsv"):
    cells = line.rstrip("\n").split("\t")
    features[int(cells[0])] = np.frombuffer(base64.b64decode(cells[-1]), "<f4").reshape(int(cells[1]), -1).copy()
for line in open(folder + "/features/predictions.tsv"):
    image, text = line.rstrip("\n").split("\t")
    labels[int(image)] = " ".join(o["class"] for o in json.loads(text)["objects"])


def tokens(first, text, most):
    ids = [vocabulary[w] for w in text.split()][: most - 2]
    return [vocabulary[first]] + ids + [vocabulary["[SEP]"]]


def padded(rows, width):
    ids = torch.full((len(rows), width), vocabulary["[PAD]"])
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    lengths = torch.tensor([len(row) for row in rows])
    return ids, (torch.arange(width) < lengths[:, None]).float(), lengths


B = "img_txt_enc.oscar_model.bert."
linear = lambda x, name: F.linear(x, P[name + ".weight"], P[name + ".bias"])
norm = lambda x, name, eps: F.layer_norm(x, (H,), P[name + ".weight"], P[name + ".bias"], eps)


def embed(ids, types):
    e = B + "embeddings."
    x = P[e + "word_embeddings.weight"][ids] + P[e + "position_embeddings.weight"][: ids.shape[1]]
    return norm(x + P[e + "token_type_embeddings.weight"][types], e + "LayerNorm", config["layer_norm_eps"])


def attention(q, k, v, mask, heads):
    split = lambda x: x.view(x.shape[0], -1, heads, H // heads).transpose(1, 2)
    weights = (split(q) @ split(k).transpose(-1, -2) / math.sqrt(H // heads) + mask).softmax(-1)
    return (weights @ split(v)).transpose(1, 2).reshape(q.shape)


def encoder(x, mask):
    add, eps = (1 - mask)[:, None, None, :] * -10000.0, config["layer_norm_eps"]
    for i in range(layers):
        p = f"{B}encoder.layer.{i}."
        q, k, v = (linear(x, p + "attention.self." + name) for name in ("query", "key", "value"))
        x = norm(linear(attention(q, k, v, add, heads), p + "attention.output.dense") + x, p + "attention.output.LayerNorm", eps)
        x = norm(linear(F.gelu(linear(x, p + "intermediate.dense")), p + "output.dense") + x, p + "output.LayerNorm", eps)
    return x


def matching(x, lengths):
    mask = torch.where(torch.arange(x.shape[1]) < lengths[:, None], 0.0, -math.inf)[:, None, None, :]
    i = 0
    while f"img_txt_enc.final_projection_net.layers.{i}.norm1.weight" in P:
        p = f"img_txt_enc.final_projection_net.layers.{i}."
        q, k, v = F.linear(x, P[p + "self_attn.in_proj_weight"], P[p + "self_attn.in_proj_bias"]).chunk(3, -1)
        x = norm(x + linear(attention(q, k, v, mask, 4), p + "self_attn.out_proj"), p + "norm1", 1e-5)
        x = norm(x + linear(F.relu(linear(x, p + "linear1")), p + "linear2"), p + "norm2", 1e-5)
        i += 1
    return F.normalize(x[:, 0], dim=1)


def loss():
    images = list(captions)
    n = len(images)
    text, text_mask, words = padded([tokens("[CLS]", captions[i][0], T) for i in images], T)
    tags, tag_mask, _ = padded([tokens("[UNK]", labels[i], L) for i in images], L)
    types = tag_mask.long()
    types[:, 0] = 0
    regions = torch.tensor([min(R, len(features[i])) for i in images])
    boxes = torch.zeros(n, R, features[images[0]].shape[1])
    for k, i in enumerate(images):
        boxes[k, : regions[k]] = torch.tensor(features[i][:R])
    region_mask = (torch.arange(R) < regions[:, None]).float()
    w = encoder(embed(text, torch.zeros_like(text)), text_mask)[:, : words.max()]
    r = norm(linear(boxes, B + "img_embedding"), B + "LayerNorm", config["img_layer_norm_eps"])
    v = encoder(torch.cat([embed(tags, types), r], 1), torch.cat([tag_mask, region_mask], 1))[:, L : L + regions.max()]
    student = matching(v, regions) @ matching(w, words).T
    w, v = F.normalize(w, dim=2)[:, 1:-2], F.normalize(v, dim=2)[:, 1:]
    cells = (torch.arange(v.shape[1]) < (regions - 1)[:, None]).float()[:, None, :, None] * (torch.arange(w.shape[1]) < (words - 3)[:, None]).float()[None, :, None, :]
    teacher = (torch.einsum("ird,cwd->icrw", v, w) * cells).max(2).values.sum(2)
    right, other = teacher.diag(), 1 - torch.eye(n)
    rows, columns = ((0.2 + teacher - d).clamp(min=0) * other for d in (right[:, None], right[None, :]))
    total = rows.max(1).values.sum() + columns.max(0).values.sum()
    for axis in (1, 0):
        total = total - (teacher.detach().softmax(axis) * torch.log((6 * student).softmax(axis) + 1e-10)).sum(axis).mean()
    return total


adam = torch.optim.Adam(P.values(), lr=lr)
for _ in range(steps):
    adam.zero_grad()
    total = loss()
    total.backward()
    torch.nn.utils.clip_grad_norm_(P.values(), 2.0)
    adam.step()
    print(f"{total.item():.6f},")
