// Reads a window of a TIFF file over HTTP with geotiff.js, as web viewers do: URL PAGE LEVEL LEFT TOP RIGHT BOTTOM.
// Prints one JSON line: pages, size of the level, samples, sizes of the answers, and the window, samples one by one.
import { GeoTIFFImage, fromUrl } from "geotiff";

const [url, ...rest] = process.argv.slice(2);
const [page, level, ...window] = rest.map(Number);
const asked = [];
const plain = globalThis.fetch;
globalThis.fetch = async (target, options) => {
  const answer = await plain(target, options);
  asked.push([answer.status, Number(answer.headers.get("content-length"))]);
  return answer;
};
const tiff = await fromUrl(url, { blockSize: 65536 });
let image = await tiff.getImage(page);
if (level > 0) {
  const below = await image.fileDirectory.loadValue("SubIFDs");
  const directory = await tiff.parser.parseFileDirectoryAt(Number(below[level - 1]));
  image = new GeoTIFFImage(directory, tiff.littleEndian, tiff.cache, tiff.source);
}
const found = await image.readRasters({ window });
console.log(
  JSON.stringify({
    size: [image.getWidth(), image.getHeight()],
    tile: [image.getTileWidth(), image.getTileHeight()],
    type: found[0].constructor.name.replace("Array", "").toLowerCase(),
    asked,
    window: Array.from(found, (samples) => Array.from(samples)),
  }),
);
