"""Two words and a face become a portrait: SDXL, PhotoMaker V2 and differential diffusion, notebook first."""

__version__ = "0.1.0"
