"""Fusions by name: how an item's modalities become one vector (docs/fusion.md).

Each is a Keras layer `(features, present) -> [B, width]`, made by `Fusion(width, aggregation)`:
`features` is a list of M tensors [B, dim_m], zero where absent, and `present` is [B, M] bool.
"""
