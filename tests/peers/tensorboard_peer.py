"""tensorboard_peer.py GOLDEN RUN...: reads the event files of runs with the real tensorboard and compares them with metrics.jsonl and experts.jsonl."""
import collections
import glob
import json
import math
import os
import struct
import sys
import tempfile

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

EVERYTHING = {"scalars": 0, "tensors": 0, "histograms": 0, "compressedHistograms": 1}


def as_float(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def accumulate(path):
    accumulator = EventAccumulator(path, size_guidance=EVERYTHING)
    accumulator.Reload()
    return accumulator


def expected_scalars(line):
    for name, value in line.items():
        if name == "loss_by_source":
            for source, loss in value.items():
                yield f"loss_by_source/{source}", loss, 1e-6
        elif isinstance(value, (int, float)) and name not in ("step", "samples"):
            yield name, value, None


def check_scalars(run, accumulator):
    lines = [json.loads(line) for line in open(os.path.join(run, "metrics.jsonl"), encoding="utf-8")]
    assert lines, f"{run}: no lines"
    found = {tag: {event.step: event.value for event in accumulator.Scalars(tag)} for tag in accumulator.Tags()["scalars"]}
    for tag in found:
        assert len(found[tag]) == len(accumulator.Scalars(tag)), f"{run}: {tag} has a step twice"
    compared = 0
    for line in lines:
        for tag, value, bound in expected_scalars(line):
            got = found[tag].pop(line["step"])
            # metrics.jsonl rounds some to a fixed number of digits; an event holds a float.
            digits = {"violation": 4, "violation_max": 4, "window_violation": 4, "window_violation_max": 4, "router_entropy": 4,
                      "bias_norm": 5, "seconds": 4, "tokens_per_s": 1, "flop_per_s": 0, "flop_share": 4}.get(tag)
            room = (0.5000001 * 10**-digits if digits is not None else bound or 0) + 1e-7 * abs(value)
            assert abs(got - value) <= room or got == as_float(value), f"{run}: {tag} at {line['step']}: {got}, not {value}"
            compared += 1
    left = {tag: steps for tag, steps in found.items() if steps}
    assert not left, f"{run}: events that metrics.jsonl does not have: {left}"
    return compared


def check_histograms(run, accumulator):
    lines = [json.loads(line) for line in open(os.path.join(run, "experts.jsonl"), encoding="utf-8")]
    compared = 0
    for line in lines:
        for router, layer in enumerate(line["layers"]):
            total = sum(line["source_tokens"].values())
            loads = [sum(line["load_by_source"][s][router][e] * n for s, n in line["source_tokens"].items()) / total / 1000
                     for e in range(len(next(iter(line["load_by_source"].values()))[router]))]
            events = [e for e in accumulator.Histograms(f"expert_load/layer_{layer:02d}") if e.step == line["step"]]
            assert len(events) == 1, f"{run}: {len(events)} histograms at {line['step']}"
            histogram = events[0].histogram_value
            assert histogram.num == len(loads) == sum(histogram.bucket)
            assert math.isclose(histogram.sum, len(loads), rel_tol=1e-9)
            assert abs(histogram.min - min(loads)) < 2e-3 and abs(histogram.max - max(loads)) < 2e-3, (histogram, loads)
            compared += 1
    return compared


def check_raw(run):
    """No (tag, step) is in the files twice, whoever reads them; every record is whole."""
    seen = collections.Counter()
    files = sorted(glob.glob(os.path.join(run, "tensorboard", "*tfevents*")))
    for path in files:
        for event in LegacyEventFileLoader(path).Load():
            for value in event.summary.value:
                seen[value.tag, event.step] += 1
    assert seen and max(seen.values()) == 1, f"{run}: {[key for key, n in seen.items() if n > 1][:3]} more than once"
    return len(files)


def check_golden(path):
    with tempfile.TemporaryDirectory() as folder:
        with open(path, "rb") as golden, open(os.path.join(folder, "events.out.tfevents.1.quern"), "wb") as copy:
            copy.write(golden.read())
        accumulator = accumulate(folder)
        assert [(e.step, e.value, e.wall_time) for e in accumulator.Scalars("loss")] == [(s, 2.5, 1700000000.5) for s in (1, 2, 3)]
        assert [e.value for e in accumulator.Scalars("loss_by_source/web")] == [as_float(0.1)] * 3
        (event,) = accumulator.Histograms("expert_load/layer_01")
        histogram = event.histogram_value
        assert (histogram.min, histogram.max, histogram.num, histogram.sum) == (0.25, 5.5, 4, 7.75)
        # 0.25 in (0.2, 0.3], both 1s in (0.9, 1.0], 5.5 in the last
        filled = [(limit, n) for limit, n in zip(histogram.bucket_limit, histogram.bucket) if n]
        assert [n for _, n in filled] == [1, 2, 1] and [round(limit, 9) for limit, _ in filled[:2]] == [0.3, 1.0], filled


check_golden(sys.argv[1])
print("golden: as written")
for run in sys.argv[2:]:
    accumulator = accumulate(os.path.join(run, "tensorboard"))
    scalars, histograms = check_scalars(run, accumulator), check_histograms(run, accumulator)
    print(f"{os.path.basename(run)}: {scalars} scalars and {histograms} histograms alike, in {check_raw(run)} files")
