"""The probe: it reads an image's migrations and models in a container without network and capabilities, with limits."""
