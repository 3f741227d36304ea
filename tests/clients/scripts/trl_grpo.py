"""TRL's GRPOTrainer teaches a tiny model to say the one right digit, on our server's verdicts alone."""

import json
import tempfile

import torch
from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from trl import GRPOConfig, GRPOTrainer

from trainer_client.adapters.trl import verdict_reward

STEPS, GROUP, PROMPTS = 16, 8, 4
torch.manual_seed(0)
torch.set_num_threads(1)
words = {word: number for number, word in enumerate(["<pad>", "<end>", "say", *"0123456789"])}
text = Tokenizer(WordLevel(words, unk_token="<pad>"))
text.pre_tokenizer = WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=text, pad_token="<pad>", eos_token="<end>", unk_token="<pad>"
)
size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
ends = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
model = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(words), **size, **heads, **ends))
label = json.dumps({"math": {"gold": ["7"]}, "extraction": "whole"})
rows = Dataset.from_list([{"prompt": "say", "label": label}] * (STEPS * PROMPTS))
with tempfile.TemporaryDirectory() as folder:
    config = GRPOConfig(
        output_dir=folder,
        max_steps=STEPS,
        per_device_train_batch_size=PROMPTS * GROUP,
        num_generations=GROUP,
        max_completion_length=1,
        learning_rate=3e-2,
        lr_scheduler_type="constant",
        beta=0.0,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to=[],
        logging_steps=1,
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=[verdict_reward],
        args=config,
        train_dataset=rows,
        processing_class=tokenizer,
    )
    trainer.train()
log = [entry for entry in trainer.state.log_history if "reward" in entry]
rewards, judged = ([entry[name] for entry in log] for name in ("reward", "verdicts/judged"))
print(json.dumps({"rewards": rewards, "judged": judged}))
