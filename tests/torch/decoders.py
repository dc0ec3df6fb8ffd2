"""What decoders of today compute in PyTorch, for `nn`: decoders.safetensors has parts and whole models of a few layers.

    pip install torch==2.15 transformers==5.24 peft==0.21 numpy safetensors && python decoders.py

Parts are named by what made them, and have channels and heads where ours have them. Parameters of models are named as ours.
"""

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import nn
from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.gptj import modeling_gptj
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

torch.manual_seed(0)
arrays = {}


# Positions: 2 examples of 5 positions, 3 heads, 16 features.
x = torch.randn(2, 5, 3, 16)
positions = torch.tensor([[0, 1, 2, 3, 4], [7, 8, 9, 40, 41]])
arrays["rotary.x"], arrays["rotary.positions"] = x, positions.int()
KINDS = {
    "default": {"rope_type": "default", "rope_theta": 10000.0},
    "base": {"rope_type": "default", "rope_theta": 500.0},
    "linear": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0},
    "llama3": {
        "rope_type": "llama3",
        "rope_theta": 500.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
    "yarn": {"rope_type": "yarn", "rope_theta": 500.0, "factor": 4.0, "original_max_position_embeddings": 512},
    # Of 42 positions, for a model that was trained on 16.
    "ntk": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0},
}
for kind, rope in KINDS.items():
    trained = 16 if kind == "ntk" else 2048
    config = LlamaConfig(
        hidden_size=48, num_attention_heads=3, max_position_embeddings=trained, rope_parameters=dict(rope)
    )
    cos, sin = LlamaRotaryEmbedding(config)(x, positions)
    arrays[f"rotary.{kind}"] = apply_rotary_pos_emb(x, x, cos, sin, unsqueeze_dim=2)[0].contiguous()
for features in (16, 6):
    table = modeling_gptj.create_sinusoidal_positions(64, features)
    sin, cos = table[positions].chunk(2, dim=-1)
    turned = modeling_gptj.apply_rotary_pos_emb(x[..., :features], sin, cos)
    arrays[f"rotary.interleaved.{features}"] = torch.cat((turned, x[..., features:]), dim=-1).contiguous()

# Six heads of queries that share three, two or one of keys, and what they may see.
q = torch.randn(2, 5, 6, 4)
arrays["grouped.q"] = q
mask = torch.rand(2, 1, 5, 7) > 0.3
arrays["grouped.mask"] = mask.to(torch.int8)
for heads in (3, 2, 1):
    k, v = torch.randn(2, 7, heads, 4), torch.randn(2, 7, heads, 4)
    y = F.scaled_dot_product_attention(
        q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=mask, enable_gqa=True
    )
    arrays[f"grouped.{heads}.k"], arrays[f"grouped.{heads}.v"] = k, v
    arrays[f"grouped.{heads}.y"] = y.transpose(1, 2).contiguous()

# Biases that grow with the position of the key, for a softmax as good as those that shrink with the distance.
for heads in (1, 4, 6, 12):
    arrays[f"alibi.{heads}"] = build_alibi_tensor(torch.ones(1, 5), heads, torch.float32).contiguous()


# Whole models, with weights that are not close to zero.
def kernel(linear):
    return linear.weight.T


def heads_of(linear, heads):
    return kernel(linear).unflatten(1, (heads, -1))


def export(name, model, one=0.0):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.eval()
    config = model.config
    tokens = torch.randint(0, config.vocab_size, (2, 9))
    params = {"embed.embedding": model.model.embed_tokens.weight, "norm.scale": model.model.norm.weight + one}
    for i, layer in enumerate(model.model.layers):
        attention, mlp = layer.self_attn, layer.mlp
        parts = {
            "attention.query.kernel": heads_of(attention.q_proj, config.num_attention_heads),
            "attention.key.kernel": heads_of(attention.k_proj, config.num_key_value_heads),
            "attention.value.kernel": heads_of(attention.v_proj, config.num_key_value_heads),
            "attention.out.kernel": kernel(attention.o_proj).unflatten(0, (config.num_attention_heads, -1)),
            "mlp.gate.kernel": kernel(mlp.gate_proj),
            "mlp.up.kernel": kernel(mlp.up_proj),
            "mlp.down.kernel": kernel(mlp.down_proj),
            "attention_norm.scale": layer.input_layernorm.weight + one,
        }
        if hasattr(layer, "pre_feedforward_layernorm"):
            parts["attention_post_norm.scale"] = layer.post_attention_layernorm.weight + one
            parts["mlp_norm.scale"] = layer.pre_feedforward_layernorm.weight + one
            parts["mlp_post_norm.scale"] = layer.post_feedforward_layernorm.weight + one
        else:
            parts["mlp_norm.scale"] = layer.post_attention_layernorm.weight + one
        params |= {f"layers_{i}.{part}": value for part, value in parts.items()}
    with torch.no_grad():
        logits = model(tokens).logits
    for part, value in params.items():
        arrays[f"{name}.params.{part}"] = value.detach().contiguous()
    arrays[f"{name}.tokens"], arrays[f"{name}.logits"] = tokens.int(), logits.contiguous()


SIZES = {
    "vocab_size": 13,
    "hidden_size": 12,
    "intermediate_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "max_position_embeddings": 128,
    "attn_implementation": "eager",
    "tie_word_embeddings": True,
    "rms_norm_eps": 1e-5,
}
export("llama", LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters=dict(KINDS["llama3"]))))
export("mistral", MistralForCausalLM(MistralConfig(**SIZES, sliding_window=3, rope_parameters=dict(KINDS["base"]))))
gemma = Gemma2Config(
    **SIZES,
    sliding_window=4,
    query_pre_attn_scalar=4,
    attn_logit_softcapping=None,
    final_logit_softcapping=None,
    hidden_activation="gelu_pytorch_tanh",
    rope_parameters=dict(KINDS["default"]),
)
export("gemma", Gemma2ForCausalLM(gemma), one=1.0)


# Adapters of low rank beside two of three layers.
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.hidden, self.down = nn.Linear(5, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.down(torch.tanh(self.hidden(torch.tanh(self.up(x)))))


for stabilized in (False, True):
    name = f"lora.{int(stabilized)}"
    net = Net()
    for part, layer in net.named_children():
        arrays[f"{name}.params.{part}.kernel"] = layer.weight.detach().T.contiguous()
        arrays[f"{name}.params.{part}.bias"] = layer.bias.detach().clone()
    config = LoraConfig(r=2, lora_alpha=3, target_modules=["up", "down"], use_rslora=stabilized)
    net = get_peft_model(net, config)
    with torch.no_grad():
        for part in ("up", "down"):
            layer = getattr(net.base_model.model, part)
            layer.lora_B["default"].weight.normal_()
            arrays[f"{name}.lora.{part}.lora_a"] = layer.lora_A["default"].weight.detach().T.contiguous()
            arrays[f"{name}.lora.{part}.lora_b"] = layer.lora_B["default"].weight.detach().T.contiguous()
        x = torch.randn(4, 5)
        arrays[f"{name}.x"], arrays[f"{name}.y"] = x, net(x)
        merged = net.merge_and_unload()
        arrays[f"{name}.merged"] = merged.up.weight.detach().T.contiguous()
save_file(arrays, "decoders.safetensors")
