"""edgekit bundle: the few files that an app embeds, and the contract that it reads them by."""

from edgekit.bundle.build import Bundle, bundle

__all__ = ["Bundle", "bundle"]
