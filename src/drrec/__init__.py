"""drrec: a multimodal deep-reinforcement-learning recommender after DRR (arXiv 1810.12027)."""

__version__ = "0.1.0"
