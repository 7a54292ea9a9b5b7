"""Weights and tokenizer for the tiny dense model, made on the spot by the Python that has vLLM.

Usage: `python … FOLDER [VOCABULARY]`.

Random weights say nonsense, but only printable nonsense: the output layer is zero for every other token.
"""

from __future__ import annotations

import json
import string
import sys
from pathlib import Path
from typing import Any

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
           "<|video_pad|>")  # fmt: skip
CHAT = (
    "{% for one in messages %}<|im_start|>{{ one.role }}\n{{ one.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SENTENCES = ("The capital of France is Paris.", "2 + 2 = 4", "one, two, three, four", "Prefill here, decode there.")
IMAGES = {
    "size": {"longest_edge": 16384, "shortest_edge": 1024},
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "processor_class": "Qwen3VLProcessor",
}


def main(folder: Path, vocabulary: int = 0) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "judge"))
    from tiny import DENSE

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    tokens = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(word) for name, word in _MARKS.items()}
    words = {"vocab_size": vocabulary} if vocabulary else {}
    _model({**DENSE, **tokens, "text_config": {**DENSE["text_config"], **words}}, tokenizer).save_pretrained(folder)
    for name, kind in _PROCESSORS.items():
        (folder / name).write_text(json.dumps({**IMAGES, **kind}))


_MARKS = {
    "image": "<|image_pad|>",
    "video": "<|video_pad|>",
    "vision_start": "<|vision_start|>",
    "vision_end": "<|vision_end|>",
}
_PROCESSORS = {
    "preprocessor_config.json": {"image_processor_type": "Qwen2VLImageProcessorFast"},
    "video_preprocessor_config.json": {"video_processor_type": "Qwen3VLVideoProcessor"},
}


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bytewise = Tokenizer(models.BPE())
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=384, special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False
    )
    bytewise.train_from_iterator(SENTENCES * 20, trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=bytewise,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=list(SPECIAL[1:]),
    )
    made.chat_template = CHAT
    return made


def _model(config: dict[str, Any], tokenizer: Any) -> Any:
    import torch
    from transformers.models.qwen3_5 import configuration_qwen3_5, modeling_qwen3_5

    torch.manual_seed(20)
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    # Weights so large that each token depends on all before it: a KV cache that is not the prompt's changes the text.
    text = {**config["text_config"], **ends, "initializer_range": 0.3}
    whole = {key: value for key, value in config.items() if key not in ("architectures", "model_type")}
    made = modeling_qwen3_5.Qwen3_5ForConditionalGeneration(
        configuration_qwen3_5.Qwen3_5Config(**{**whole, "text_config": text})
    )
    letters = set(string.ascii_letters)
    said = [number for word, number in tokenizer.get_vocab().items() if set(word.lstrip("Ġ")) <= letters]
    with torch.no_grad():
        kept = torch.zeros_like(made.lm_head.weight)
        kept[said] = torch.randn(len(said), kept.shape[1])
        made.lm_head.weight.copy_(kept)
    return made.to(torch.bfloat16)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
