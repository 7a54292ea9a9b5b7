"""qcluster: from an inventory of Ascend hosts to a served Qwen model, over plain SSH."""

__version__ = "0.1.0"
