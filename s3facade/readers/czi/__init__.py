"""CZI, the files of Zeiss ZEN: pieces of images, a directory of them, metadata in XML."""
