"""Times another engine of approximate search on the vectors of a folder, on one thread: see main.go beside it."""
import json
import sys
import time

import faiss
import numpy as np

folder, dim, k, rival = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
x = np.fromfile(folder + "/items.f32", np.float32).reshape(-1, dim)
q = np.fromfile(folder + "/queries.f32", np.float32).reshape(-1, dim)
truth = np.fromfile(folder + "/truth.i32", np.int32).reshape(len(q), -1)[:, :k]
ip = faiss.METRIC_INNER_PRODUCT
faiss.omp_set_num_threads(1)
lists = 2 ** int(np.log2(4 * len(x) ** 0.5))
clock = time.process_time


def built(engine, start, size):
    print(json.dumps({"engine": engine, "seconds": clock() - start, "bytes": size / len(x)}), flush=True)


def point(engine, setting, search, rounds=2):
    best = float("inf")
    for _ in range(rounds):
        start = clock()
        found = search()
        best = min(best, clock() - start)
    recall = float(np.mean([len(set(a) & set(b)) / k for a, b in zip(truth, found)]))
    print(json.dumps({"engine": engine, "setting": setting, "recall": recall, "micros": best / len(q) * 1e6}), flush=True)
    return recall


def curve(engine, settings):
    for setting, search in settings:
        if point(engine, setting, search) > 0.997:
            break


def size(index):
    return len(faiss.serialize_index(index))


start = clock()
if rival == "hnsw":
    index = faiss.IndexHNSWFlat(dim, 32, ip)
    index.add(x)
    built("faiss HNSW32", start, size(index))

    def search(ef):
        index.hnsw.efSearch = ef
        return index.search(q, k)[1]

    curve("faiss HNSW32", [(f"ef {ef}", lambda ef=ef: search(ef)) for ef in (16, 32, 64, 128, 256, 512, 1024, 2048)])
elif rival == "usearch":
    from usearch.index import Index

    index = Index(ndim=dim, metric="ip", dtype="f16", connectivity=32)
    index.add(np.arange(len(x)), x, threads=1)
    built("usearch f16", start, index.memory_usage)

    def search(ef):
        index.expansion_search = ef
        return index.search(q, k, threads=1).keys

    curve("usearch f16", [(f"ef {ef}", lambda ef=ef: search(ef)) for ef in (16, 32, 64, 128, 256, 512, 1024, 2048)])
elif rival == "sq8":
    index = faiss.index_factory(dim, f"IVF{lists},SQ8", ip)
    index.train(x[:: max(len(x) // (64 * lists), 1)])
    index.add(x)
    built(f"faiss IVF{lists} SQ8", start, size(index))

    def search(probes):
        index.nprobe = probes
        return index.search(q, k)[1]

    curve(f"faiss IVF{lists} SQ8", [(f"{p} probes", lambda p=p: search(p)) for p in (8, 16, 32, 64, 128, 256, 512)])
else:
    if rival == "pq":
        coarse = faiss.index_factory(dim, f"IVF{lists},PQ{dim // 2}x4fs", ip)
        engine = f"faiss IVF{lists} PQ fast-scan, refined in f16"
    else:
        quantizer = faiss.IndexFlatIP(dim)
        coarse = faiss.IndexIVFRaBitQFastScan(quantizer, dim, lists, ip)
        engine = f"faiss IVF{lists} RaBitQ fast-scan, refined in f16"
    fine = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, ip)
    index = faiss.IndexRefine(coarse, fine)
    index.train(x[:: max(len(x) // (64 * lists), 1)])
    index.add(x)
    built(engine, start, size(index))

    def search(probes, factor):
        base = faiss.IVFSearchParameters(nprobe=probes)
        return index.search(q, k, params=faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=base))[1]

    for factor in (10, 20, 50, 100, 200):
        curve(engine, [(f"{p} probes, {factor * k} refined", lambda p=p, f=factor: search(p, f)) for p in (16, 32, 64, 128, 256)])
