"""Times the training step that `go test ./train -bench Step/small` times, written with PyTorch. See `step` beside it."""
import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

threads, rounds = int(sys.argv[1]), 8
torch.set_num_threads(threads)
torch.manual_seed(0)
hidden, ff, head_ff, vocab, batch, length, features = 256, 1024, 256, 30522, 64, 32, 2054


def layers(width, activation):
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(hidden, 4, width, 0.1, activation, batch_first=True), 2)


class Aladin(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.positions, self.types = nn.Embedding(vocab, hidden), nn.Embedding(64, hidden), nn.Embedding(2, hidden)
        self.norm, self.regions, self.drop = nn.LayerNorm(hidden, eps=1e-12), nn.Linear(features, hidden), nn.Dropout(0.1)
        self.encoder, self.matching = layers(ff, "gelu"), layers(head_ff, "relu")

    def embed(self, ids):
        return self.drop(self.norm(self.words(ids) + self.positions.weight[: ids.shape[1]] + self.types.weight[0]))

    def forward(self, captions, labels, regions):
        text = self.encoder(self.embed(captions))
        image = self.encoder(torch.cat([self.embed(labels), self.drop(self.regions(regions))], 1))[:, length:]
        first = [F.normalize(self.matching(x)[:, 0], dim=-1) for x in (text, image)]
        return F.normalize(text, dim=-1), F.normalize(image, dim=-1), *first


def triplet(s, margin=0.2):
    off = torch.eye(len(s), dtype=torch.bool)
    rows = (margin + s - s.diag()[:, None]).clamp(min=0).masked_fill(off, 0)
    cols = (margin + s - s.diag()[None]).clamp(min=0).masked_fill(off, 0)
    return rows.sum() + cols.sum()


def listnet(teacher, student, dim):
    p, q = F.softmax(teacher.detach(), dim), F.softmax(6 * student, dim)
    return -(p * torch.log(q + 1e-10)).sum(dim).mean()


net = Aladin().train()
adam = torch.optim.Adam(net.parameters(), 1e-5)
captions, labels = torch.randint(0, vocab, (batch, length)), torch.randint(0, vocab, (batch, length))
regions = torch.randn(batch, length, features)


def step():
    words, places, text, image = net(captions, labels, regions)
    sims = (places.reshape(-1, hidden) @ words.reshape(-1, hidden).t()).view(batch, length, batch, length)
    align, match = sims.max(1)[0].sum(-1), image @ text.t()
    loss = triplet(align) + listnet(align, match, 1) + listnet(align, match, 0)
    adam.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 2.0)
    adam.step()


def best(f):
    f()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return round(min(times) * 1e3, 1)


a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
print(json.dumps({"engine": "PyTorch " + torch.__version__, "threads": threads, "ms_step": best(step), "ms_product": best(lambda: a @ b)}), flush=True)
