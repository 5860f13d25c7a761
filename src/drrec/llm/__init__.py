"""Language models that rank: fine-tuning, merging, GRPO and scoring, in PyTorch's process."""
