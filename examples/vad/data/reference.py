"""What the package silero-vad finds, for the tests: reference.json has segments of probabilities and of a sound, and resampled signals.

    pip install silero-vad==6.2.3 torch==2.15 torchaudio==2.11 numpy && python reference.py
"""

import json
import math

import numpy as np
import torch
from silero_vad import load_silero_vad
from silero_vad.utils_vad import get_speech_timestamps, get_speech_timestamps_from_probs
from torchaudio.functional import resample

VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480))


def voice(rate, seconds):
    """Syllables of harmonics in the formants of vowels, for two seconds of three, in a little noise: as `sound.rs` makes them."""
    samples = np.zeros(int(seconds * rate))
    phase, noise = 0.0, 1
    for i in range(len(samples)):
        t = i / rate
        noise = (noise * 1103515245 + 12345) % (1 << 31)
        value = (noise / (1 << 30) - 1) * 0.003
        pitch = 110 + 25 * math.sin(2 * math.pi * 0.7 * t) + 15 * math.sin(2 * math.pi * 2.3 * t)
        phase += pitch / rate
        if t % 3.0 <= 2.0:
            vowel = VOWELS[int(t / 0.2) % 4]
            loudness = 0.12 * math.sqrt(math.sin(math.pi * ((t / 0.2) % 1.0)))
            for k in range(1, 26):
                frequency = k * pitch
                if frequency > 0.45 * rate:
                    break
                formants = zip(vowel, (60, 90, 120))
                height = sum(1 / (1 + ((frequency - centre) / width) ** 2) for centre, width in formants)
                value += loudness * height * math.sin(2 * math.pi * k * phase)
        samples[i] = value
    return samples.astype(np.float32)


def pairs(segments):
    return [[segment["start"], segment["end"]] for segment in segments]


model = load_silero_vad()
speech = {}
for rate in (16000, 8000):
    window, sound = rate // 16000 * 512 or 256, torch.tensor(voice(rate, 8.0))
    segments = pairs(get_speech_timestamps(sound, model, sampling_rate=rate))
    model.reset_states()
    chunks = torch.nn.functional.pad(sound, (0, -len(sound) % window)).split(window)
    likely = [round(model(chunk, rate).item(), 6) for chunk in chunks]
    speech[rate] = {"segments": segments, "probabilities": likely}

random, found = np.random.default_rng(0), []
for options in (
    {},
    {"threshold": 0.7},
    {"min_silence_duration_ms": 400, "speech_pad_ms": 100},
    {"min_speech_duration_ms": 30, "speech_pad_ms": 0},
    {"max_speech_duration_s": 1.5},
    {"max_speech_duration_s": 0.8, "min_silence_duration_ms": 600},
):
    for rate in (16000, 8000):
        window = 512 if rate == 16000 else 256
        # Walks between silence and speech that are long at both, and short glitches.
        level, likely = 0.0, []
        for _ in range(240):
            level = -level if random.random() < 0.04 else level + random.normal() * 0.3
            level = max(min(level, 3), -3)
            likely.append(round(1 / (1 + math.exp(-1.5 * level)), 3))
        length = 240 * window - 100
        segments = get_speech_timestamps_from_probs(likely, rate, audio_length_samples=length, **options)
        found.append({"options": options, "rate": rate, "length": length, "probabilities": likely, "segments": pairs(segments)})

resampled = []
for before, after in ((48000, 16000), (44100, 16000), (8000, 16000), (22050, 8000)):
    x = torch.tensor([math.sin(0.3 * i) + 0.5 * math.sin(2.1 * i) for i in range(300)])
    y = resample(x, before, after)
    resampled.append({"from": before, "to": after, "y": [round(value, 6) for value in y.tolist()]})

with open("reference.json", "w") as file:
    json.dump({"speech": speech, "found": found, "resampled": resampled}, file)
