"""Compares files before and after with pydicom, element by element, as raw bytes: a reader that shares no code with storestow.

usage: compare-files.py PAIRS.json, a list of [before, after]; prints one JSON line for each:
    {"before": …, "changed": ["0008,0090", "0040,0275[0]/0032,1064", …], "meta": ["0002,0010"], "preamble": true, "recoded": false,
     "native": {"md5": …, "length": …, "samples": 1, "planar": 0, "frames": 1} or null}
    {"before": …, "unreadable": "why"}
`recoded`: the data set has another encoding (Implicit VR, big endian), so that its bytes say little; compare-values.py compares these.
"""
import hashlib
import json
import sys
import warnings

from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.sequence import Sequence

NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")


def text(tag):
    return f"{tag.group:04x},{tag.elem:04x}"


def items(dataset, tag):
    """Of a sequence; None for what is none, or cannot be read as one."""
    try:
        value = dataset[tag].value
    except Exception:
        return None
    return value if isinstance(value, Sequence) else None


def differences(before, after, path=""):
    for tag in sorted(set(before.keys()) | set(after.keys())):
        here = path + text(tag)
        if tag not in before or tag not in after:
            yield here
            continue
        old, new = before.get_item(tag), after.get_item(tag)
        if old.VR != new.VR:
            yield here
        elif isinstance(old, RawDataElement) and isinstance(new, RawDataElement) and old.value == new.value:
            continue
        else:
            yield from item_differences(items(before, tag), items(after, tag), old, new, here)


def item_differences(old_items, new_items, old, new, here):
    if old_items is None or new_items is None:
        if isinstance(old, RawDataElement) != isinstance(new, RawDataElement) or old.value != new.value:
            yield here
    elif len(old_items) != len(new_items):
        yield here
    else:
        for index, (one, other) in enumerate(zip(old_items, new_items)):
            yield from differences(one, other, f"{here}[{index}]/")


def native(dataset):
    """Pixel Data without its trailing pad."""
    if "PixelData" not in dataset or dataset.file_meta.TransferSyntaxUID not in NATIVE:
        return None
    try:
        return described(dataset)
    except ValueError:
        # An attribute that is no number
        return None


def described(dataset):
    samples = int(dataset.get("SamplesPerPixel", 1))
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    pixels = int(dataset.Rows) * int(dataset.Columns)
    bits = pixels * samples * frames * int(dataset.BitsAllocated)
    if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits * 2 // 3
    length = (bits + 7) // 8
    value = dataset.get_item("PixelData").value[:length]
    return {
        "md5": hashlib.md5(value).hexdigest(),
        "length": len(value),
        "samples": samples,
        "planar": int(dataset.get("PlanarConfiguration", 0) or 0),
        "frames": frames,
    }


def compare(before, after):
    try:
        old, new = dcmread(before), dcmread(after)
        return {
            "before": before,
            "changed": list(differences(old, new)),
            "meta": list(differences(old.file_meta, new.file_meta)),
            "preamble": old.preamble == new.preamble,
            "recoded": (old.is_implicit_VR, old.is_little_endian) != (new.is_implicit_VR, new.is_little_endian),
            "native": native(old),
        }
    except Exception as error:
        return {"before": before, "unreadable": f"{type(error).__name__}: {error}"}


warnings.simplefilter("ignore")
with open(sys.argv[1], encoding="utf-8") as pairs:
    for one, other in json.load(pairs):
        print(json.dumps(compare(one, other)))
