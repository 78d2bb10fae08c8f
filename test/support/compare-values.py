"""Compares the values of files before and after they were rewritten in another transfer syntax, as pydicom decodes them.

usage: compare-values.py PAIRS.json, a list of [before, after]; prints one JSON line for each:
    {"before": …, "elements": 123, "vrs": {"OB → OW": 2, …}, "different": ["0028,0106", "0040,0275[0]/0032,1064", …]}
    {"before": …, "unreadable": "why"}
`vrs` counts the VRs that pydicom gives the element in the two files, where they are not the same.
"""
import json
import sys
import warnings
from array import array
from collections import Counter

from pydicom import config, dcmread
from pydicom.sequence import Sequence

# Array type codes of the words
WORDS = {"OW": "H", "OF": "I", "OL": "I", "OD": "Q", "OV": "Q"}


def values(dataset, big_endian, path=""):
    """Path, VR and value of each element; bytes that pydicom leaves in the byte order of the file are in little endian."""
    for tag in sorted(dataset.keys()):
        here = f"{path}{tag.group:04x},{tag.elem:04x}"
        if tag.elem == 0:
            continue
        try:
            element = dataset[tag]
        except Exception as error:
            yield here, "", f"{type(error).__name__}"
            continue
        if isinstance(element.value, Sequence):
            yield here, element.VR, len(element.value)
            for index, item in enumerate(element.value):
                yield from values(item, big_endian, f"{here}[{index}]/")
        elif isinstance(element.value, bytes) and big_endian and element.VR in WORDS:
            words = array(WORDS[element.VR], element.value)
            words.byteswap()
            yield here, element.VR, repr(words.tobytes())
        else:
            yield here, element.VR, repr(element.value)


def plain(vr):
    return getattr(vr, "value", vr)


def compare(before, after):
    try:
        old, new = dcmread(before), dcmread(after)
        # pydicom reads UN in the byte order of the file, which PS3.5 6.2.2 excludes: the bytes are compared there
        config.replace_un_with_known_vr = bool(old.is_little_endian)
        one = list(values(old, not old.is_little_endian))
        other = list(values(new, False))
    except Exception as error:
        return {"before": before, "unreadable": f"{type(error).__name__}: {error}"}
    theirs = {path: (vr, value) for path, vr, value in other}
    vrs = Counter()
    different = [path for path in theirs if path not in {path for path, _, _ in one}]
    for path, vr, value in one:
        rewritten_vr, rewritten = theirs.get(path, (None, None))
        if rewritten != value:
            different.append(path)
        if rewritten_vr != vr:
            # An ambiguous VR that pydicom has resolved is a str and an Enum: how that is formatted differs from Python to Python.
            vrs[f"{plain(vr)} → {plain(rewritten_vr)}"] += 1
    return {"before": before, "elements": len(one), "vrs": vrs, "different": different}


warnings.simplefilter("ignore")
with open(sys.argv[1], encoding="utf-8") as pairs:
    for one, other in json.load(pairs):
        print(json.dumps(compare(one, other)))
