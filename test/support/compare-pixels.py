"""Decodes encoded files with two decoders, OpenJPEG's opj_decompress and GDCM, and compares with the native original.

usage: compare-pixels.py PAIRS.json FOLDER, a list of [before, after], FOLDER for what lies between; prints one JSON line each:
    {"before": …, "frames": 4, "openjpeg": null or "frame 2 differs", "gdcm": null or "why"}
"""
import json
import os
import subprocess
import sys
import warnings
from array import array

from pydicom import dcmread
from pydicom.encaps import generate_pixel_data_fragment, get_frame_offsets

BIG_ENDIAN = "1.2.840.10008.1.2.2"


def native_frames(dataset):
    """Each frame in little endian, colour by pixel; samples of as many bytes as are allocated."""
    samples = int(dataset.SamplesPerPixel)
    size = int(dataset.BitsAllocated) // 8
    pixels = int(dataset.Rows) * int(dataset.Columns)
    length = pixels * samples * size
    element = dataset.get_item("PixelData")
    value = element.value
    if dataset.file_meta.TransferSyntaxUID == BIG_ENDIAN and element.VR == "OW":
        words = array("H", value)
        words.byteswap()
        value = words.tobytes()
    for number in range(int(dataset.get("NumberOfFrames", 1) or 1)):
        frame = value[number * length : (number + 1) * length]
        if samples > 1 and int(dataset.PlanarConfiguration) == 1:
            plane = pixels * size
            frame = joined([frame[colour * plane : (colour + 1) * plane] for colour in range(samples)], size)
        yield frame


def joined(planes, size):
    """Planes to colour by pixel."""
    result = array("B" if size == 1 else "H", bytes(sum(len(plane) for plane in planes)))
    for colour, plane in enumerate(planes):
        result[colour :: len(planes)] = array(result.typecode, plane)
    return result.tobytes()


def by_plane(frame, samples, size):
    values = array("B" if size == 1 else "H", frame)
    return b"".join(values[colour::samples].tobytes() for colour in range(samples))


def narrowed(frame, dataset):
    """One byte a sample where no more than eight bits are stored, as decoders have it."""
    return frame[::2] if int(dataset.BitsAllocated) == 16 and int(dataset.BitsStored) <= 8 else frame


def masked(frame, size, bits):
    """Without the copies of the sign above BitsStored, which opj_decompress does not write."""
    values = array("B" if size == 1 else "H", frame)
    return array(values.typecode, [value & (1 << bits) - 1 for value in values]).tobytes()


def codestreams(dataset):
    """One fragment a frame, behind the Basic Offset Table."""
    from pydicom.filebase import DicomBytesIO

    stream = DicomBytesIO(dataset.PixelData)
    stream.is_little_endian = True
    get_frame_offsets(stream)
    return list(generate_pixel_data_fragment(stream))


def openjpeg(before, after, folder):
    frames, streams = list(native_frames(before)), codestreams(after)
    if len(frames) != len(streams):
        return f"{len(streams)} fragments for {len(frames)} frames"
    bits = int(before.BitsStored)
    size = 1 if bits <= 8 else 2
    for number, (frame, stream) in enumerate(zip(frames, streams), 1):
        encoded, decoded = os.path.join(folder, "frame.j2k"), os.path.join(folder, "frame.rawl")
        with open(encoded, "wb") as file:
            file.write(stream)
        run = subprocess.run(["opj_decompress", "-quiet", "-i", encoded, "-o", decoded], capture_output=True)
        if run.returncode != 0:
            return f"frame {number}: opj_decompress ended with {run.returncode}"
        with open(decoded, "rb") as file:
            if file.read() != by_plane(masked(narrowed(frame, before), size, bits), int(before.SamplesPerPixel), size):
                return f"frame {number} differs"
    return None


def gdcm(before, after, folder):
    raw = os.path.join(folder, "raw.dcm")
    run = subprocess.run(["gdcmconv", "--raw", after.filename, raw], capture_output=True)
    if run.returncode != 0:
        return f"gdcmconv ended with {run.returncode}"
    frames = list(native_frames(before))
    decoded = dcmread(raw).PixelData
    for expected in (b"".join(frames), b"".join(narrowed(frame, before) for frame in frames)):
        if decoded[: len(expected)] == expected and len(decoded) - len(expected) in (0, 1):
            return None
    return "differs"


def compare(before, after, folder):
    old, new = dcmread(before), dcmread(after)
    frames = len(codestreams(new))
    return {"before": before, "frames": frames, "openjpeg": openjpeg(old, new, folder), "gdcm": gdcm(old, new, folder)}


warnings.simplefilter("ignore")
with open(sys.argv[1], encoding="utf-8") as pairs:
    for one, other in json.load(pairs):
        print(json.dumps(compare(one, other, sys.argv[2])))
