"""Times faiss on the vectors that main.go reads, one thread. See the script `run` beside it."""
import json
import sys
import time

import faiss
import numpy as np

path, queries_path, dim, k = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
x = np.fromfile(path, np.float32).reshape(-1, dim)
q = np.fromfile(queries_path, np.float32).reshape(-1, dim)
faiss.omp_set_num_threads(1)


def best(f, rounds=5):
    f()
    times = []
    for _ in range(rounds):
        t = time.perf_counter()
        f()
        times.append(time.perf_counter() - t)
    return min(times) * 1e3


def report(name, index, queries, exact):
    single = best(lambda: index.search(queries[:1], k))
    batch = best(lambda: index.search(queries[:32], k), 3) / 32
    found = index.search(queries[:32], k)[1]
    recall = np.mean([len(set(a) & set(b)) / k for a, b in zip(found, exact)])
    print(json.dumps({"engine": "faiss " + faiss.__version__, "what": name, "ms_single": round(single, 3),
                      "ms_batch": round(batch, 3), "recall": round(float(recall), 4)}), flush=True)


flat = faiss.IndexFlatIP(dim)
flat.add(x)
exact = flat.search(q[:32], k)[1]
report("f32", flat, q, exact)
del flat
for name, kind in (("f16", faiss.ScalarQuantizer.QT_fp16), ("int8", faiss.ScalarQuantizer.QT_8bit)):
    index = faiss.IndexScalarQuantizer(dim, kind, faiss.METRIC_INNER_PRODUCT)
    index.train(x[:20000])
    index.add(x)
    report(name, index, q, exact)
    del index
binary = faiss.IndexBinaryFlat(dim)
binary.add(np.packbits(x >= 0, axis=1, bitorder="little"))
report("bits, not rescored", binary, np.packbits(q >= 0, axis=1, bitorder="little"), exact)
