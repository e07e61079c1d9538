"""Pictures of everyday formats: PNG, JPEG and their kin, decoded whole by imagecodecs or read row by row where raw."""
