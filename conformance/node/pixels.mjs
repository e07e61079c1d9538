// Reads levels and boxes of OME-Zarr images with zarrita and prints digests of the voxels, one JSON line a request.
// Argument: the package to use, zarrita or zarrita-0.5 (the generation inside vizarr and the OME-NGFF validator).
// Standard input: [{"url": …, "level": 0, "box": [[start…], [stop…]] | null}, …]
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const zarr = await import(process.argv[2] ?? "zarrita");
const requests = JSON.parse(readFileSync(0, "utf8"));

for (const { url, level, box } of requests) {
  let line;
  try {
    const group = await zarr.open.v3(new zarr.FetchStore(url), { kind: "group" });
    const { path } = group.attrs.ome.multiscales[0].datasets[level];
    const array = await zarr.open.v3(group.resolve(path), { kind: "array" });
    const selection = box === null ? null : box[0].map((start, i) => zarr.slice(start, box[1][i]));
    const { data, shape } = await zarr.get(array, selection);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    line = { shape, dtype: array.dtype, sha256: createHash("sha256").update(bytes).digest("hex") };
  } catch (error) {
    line = { error: error.constructor.name, message: String(error.message) };
  }
  console.log(JSON.stringify(line));
}
