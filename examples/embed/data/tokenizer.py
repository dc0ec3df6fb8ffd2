"""A tokenizer as that of all-MiniLM-L6-v2 with fewer pieces of words: tokenizer.json.

    pip install tokenizers && python tokenizer.py
"""

import pathlib

from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
letters = "abcdefghijklmnopqrstuvwxyz0123456789"
words = "the a of and is in to on it for at cat dog sits mat rug how do what who no not one two ##s ##ed ##ing ##er ##ly . , ? ! : '".split()
pieces = special + list(letters) + ["##" + letter for letter in letters] + words
vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
tokenizer.add_special_tokens(special)
tokenizer.normalizer = normalizers.BertNormalizer()
tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
ends = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
tokenizer.save(str(pathlib.Path(__file__).with_name("tokenizer.json")), pretty=False)
