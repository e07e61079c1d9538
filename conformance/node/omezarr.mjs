// Opens images with ome-zarr.js and reads their first chunks: one JSON line for each URL given as an argument.
import * as omezarr from "ome-zarr.js";

for (const url of process.argv.slice(2)) {
  let line;
  try {
    const { arr, multiscale, zarr_version } = await omezarr.getMultiscaleWithArray(url, 0);
    const { shape, dtype } = arr;
    const axes = multiscale.axes.map((axis) => axis.name);
    const { data, shape: chunk } = await arr.getChunk(shape.map(() => 0));
    line = { shape, dtype, axes, zarr_version, chunk, first: Array.from(data.subarray(0, 16)) };
  } catch (error) {
    line = { error: String(error) };
  }
  console.log(JSON.stringify(line));
}
