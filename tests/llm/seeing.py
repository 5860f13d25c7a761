"""A tiny vision-language model with random weights, of Qwen3-VL's architecture."""

import pathlib

import tokenizers
import torch
import transformers

from drrec.features.encoders import quiet

_SPECIAL = (
    *("<|pad|>", "<|unk|>", "<|im_start|>", "<|im_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>"),
)
_WORDS = [
    "user",
    "assistant",
    "a",
    "red",
    "blue",
    "dark",
    "film",
    "with",
    "love",
    "storm",
    "at",
    "sea",
    "and",
    "two",
    "ships",
]
_TEMPLATE = (
    "{% for m in messages %}<|im_start|> {{ m.role }} {% for part in m.content %}"
    "{% if part.type == 'image' %}<|vision_start|> <|image_pad|> <|vision_end|> "
    "{% else %}{{ part.text }} {% endif %}{% endfor %}<|im_end|> {% endfor %}"
    "{% if add_generation_prompt %}<|im_start|> assistant {% endif %}"
)


def save_vision_model(folder: pathlib.Path) -> pathlib.Path:
    """A model whose captions are words at random, never none."""
    words = [*_SPECIAL, *_WORDS]
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="<|unk|>")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<|pad|>", unk_token="<|unk|>", eos_token="<|im_end|>"
    )
    others = ["<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": others})
    tokenizer.chat_template = _TEMPLATE
    size = {"hidden_size": 32, "intermediate_size": 64}
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2]}
    text = {"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2}
    text |= {"head_dim": 16, "rope_parameters": rope | {"mrope_interleaved": True}}
    seen = {"depth": 2, "num_heads": 2, "patch_size": 8, "out_hidden_size": 32}
    seen |= {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
    config = transformers.Qwen3VLConfig(
        text_config=size | text | {"vocab_size": len(words), "eos_token_id": 3, "pad_token_id": 0},
        vision_config=size | seen,
        image_token_id=words.index("<|image_pad|>"),
        video_token_id=1,
        vision_start_token_id=4,
        vision_end_token_id=5,
        tie_word_embeddings=False,
    )
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.Qwen3VLForConditionalGeneration(config)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if weight.ndim > 1:  # small weights would drown the pictures
                    weight.mul_(10 if "visual" in name else 4)
            model.lm_head.weight[: len(_SPECIAL)] = 0  # a caption is never empty
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    transformers.Qwen2VLImageProcessorPil(
        patch_size=8, merge_size=2, size={"shortest_edge": 32 * 32, "longest_edge": 64 * 64}
    ).save_pretrained(folder)
    return folder
