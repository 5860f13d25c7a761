import os
import pathlib

import numpy as np
from tests.features.tiny import gray, save_encoder, write_trailer

from drrec.features import decoding
from drrec.features.decoding import Decoders
from drrec.features.processors import ProcessorConfig


def test_results_come_in_order_and_a_file_that_kills_the_decoder_is_found_out(
    tmp_path, monkeypatch
):
    folder = save_encoder(tmp_path / "vit", "vit")
    for number in range(7):
        write_trailer(tmp_path / f"trailers/{number}.mp4", [gray(20 * number)] * 3)
    config = ProcessorConfig(modality="video", folder=str(folder), frames=2, seconds=1)
    files = [(str(tmp_path / f"trailers/{number}.mp4"),) for number in range(7)]
    files[3] = (str(tmp_path / "trailers/crash.mp4"),)
    monkeypatch.setattr(decoding, "_decode_here", crashing_or_decoded)
    decoders = Decoders(config, 1)
    found = list(decoders.decoded(files))
    decoders.close()
    assert [one.prepared is None for one in found] == [number == 3 for number in range(7)]
    assert found[3].reason == "crash.mp4: the decoder crashed on it"
    shades = [one.prepared.inputs["pixel_values"].mean() for one in found if one.prepared]
    assert shades == sorted(shades)
    assert np.ptp(shades) > 0.5


def crashing_or_decoded(files):
    """Ends its process as a fault in a native library does."""
    if "crash" in pathlib.Path(files[0]).name:
        os._exit(139)
    return decoding.decode(decoding._PROCESSOR[0], files)
