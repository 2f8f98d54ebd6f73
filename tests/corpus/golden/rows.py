# rows.parquet and rows.jsonl, the same rows: python3 rows.py FOLDER, with pyarrow 26. Columns by codecs and encodings, row groups of 4, nulls, lists and structs, a
# column that cannot be a member; what the other file says of each is what the reader must make of it.
import datetime as dt, decimal, json, sys
import pyarrow as pa
import pyarrow.parquet as pq

count = 10
utc = dt.timezone.utc
rows = [
    {
        "id": 7000000000 + i,
        "text": None if i == 3 else "Row %d of the mill's book.\nIt says \"grind\", \\ and é 中\t\u0001." % i,
        "url": "https://example.org/%d" % i,
        "title": "Row %d" % i,
        "date": dt.datetime(2024, 5, 18, 1, 58, i, 250000 * (i % 2), tzinfo=utc),
        "day": dt.date(1969, 12, 27) + dt.timedelta(days=i * 400),
        "local": dt.datetime(1969, 12, 31, 23, 59, 59, i) if i else dt.datetime(1, 1, 1),
        "score": None if i == 5 else i / 7,
        "small": i / 10,
        "unsigned": 18446744073709551615 - i,
        "price": decimal.Decimal("-12.50") + i,
        "ok": i % 2 == 0,
        "tags": [["a", "b"], [], None, [None, "c"]][i % 4],
        "deep": None if i == 6 else {"n": i, "l": [{"x": i / 2}, None], "s": "q\"%d" % i},
        "kind": "kind %d" % (i % 2),
        "nothing": None,
        "raw": b"\xff%d" % i,
    }
    for i in range(count)
]
schema = pa.schema([
    ("id", pa.int64()), ("text", pa.string()), ("url", pa.string()), ("title", pa.large_string()),
    ("date", pa.timestamp("us", "UTC")), ("day", pa.date32()), ("local", pa.timestamp("us")), ("score", pa.float64()),
    ("small", pa.float32()), ("unsigned", pa.uint64()), ("price", pa.decimal128(10, 2)), ("ok", pa.bool_()),
    ("tags", pa.list_(pa.string())),
    ("deep", pa.struct([("n", pa.int16()), ("l", pa.list_(pa.struct([("x", pa.float64())]))), ("s", pa.string())])),
    ("kind", pa.dictionary(pa.int32(), pa.string())), ("nothing", pa.null()), ("raw", pa.binary()),
])
pq.write_table(pa.Table.from_pylist(rows, schema), sys.argv[1] + "/rows.parquet", row_group_size=4, write_statistics=False,
               compression={"id": "none", "text": "zstd", "url": "snappy", "title": "gzip", "tags": "zstd", "deep": "snappy"})


def value(v):
    if isinstance(v, dt.datetime):
        zone = "Z" if v.tzinfo else ""
        return v.strftime("%04d-%%m-%%dT%%H:%%M:%%S" % v.year) + (".%06d" % v.microsecond if v.microsecond else "") + zone
    if isinstance(v, dt.date):
        return v.isoformat()
    return float(v) if isinstance(v, decimal.Decimal) else v


with open(sys.argv[1] + "/rows.jsonl", "w") as out:
    for row in rows:
        line = {k: value(v) for k, v in row.items() if k != "raw"}
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
        out.write(text.replace('"price":%s,' % line["price"], '"price":%s,' % row["price"]) + "\n")
