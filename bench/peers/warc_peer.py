"""FastWARC's and Resiliparse's part in the comparisons of the corpus: records of WARC files to main texts, one thread.

  warc_peer.py FILE.warc.gz...     a JSON object: bytes of file and of bodies a second, records, pages"""
import json, os, sys, time
from fastwarc.warc import ArchiveIterator, WarcRecordType
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding


def main(paths):
    start, records, pages, bodies, texts = time.perf_counter(), 0, 0, 0, 0
    for path in paths:
        with open(path, "rb") as stream:
            for record in ArchiveIterator(stream, parse_http=True):
                records += 1
                if record.record_type != WarcRecordType.response:
                    continue
                body = record.reader.read()
                bodies += len(body)
                if "html" in (record.http_content_type or ""):
                    pages += 1
                    texts += len(extract_plain_text(bytes_to_str(body, detect_encoding(body)), main_content=True).encode())
    seconds = time.perf_counter() - start
    stored = sum(os.path.getsize(path) for path in paths)
    print(json.dumps({"per_second": stored / seconds, "bodies_per_second": bodies / seconds, "records": records, "pages": pages,
                      "text_bytes": texts, "seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1:]) if len(sys.argv) > 1 else sys.exit(__doc__)
