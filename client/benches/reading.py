"""The peer of reading.rs: reads the same table with pandas, and prints rows, seconds and the peak of memory in MiB.

    reading.py plain TABLE.csv            as pandas does when it is told nothing
    reading.py typed TABLE.csv            told the types, as narrow as those that the product keeps
    reading.py parquet TABLE.parquet
    reading.py convert TABLE.csv TABLE.parquet
"""
import resource
import sys
import time

import pandas

TYPES = {
    "income": "float32", "age": "float32", "region": "category", "job": "category", "debt": "float32",
    "balance": "float32", "months": "float32", "limit": "float32", "default": "uint8", "id": "int64",
}

what, table = sys.argv[1:3]
if what == "convert":
    pandas.read_csv(table).to_parquet(sys.argv[3], row_group_size=1 << 20)
    sys.exit()
started = time.perf_counter()
if what == "parquet":
    frame = pandas.read_parquet(table)
else:
    frame = pandas.read_csv(table, dtype=TYPES if what == "typed" else None)
seconds = time.perf_counter() - started
print(len(frame), seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
