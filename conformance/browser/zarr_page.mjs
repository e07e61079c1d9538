// Runs in a web page: opens images of a server of another origin and tells what it found to the page's own server.
// The page's JSON element "ask" is {what, url}: what to do, and the image or object to do it with.
const ask = JSON.parse(document.getElementById("ask").textContent);

async function digest(data) {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function describe(zarr, array) {
  const { data, shape } = await zarr.get(array);
  return { shape, dtype: array.dtype, first: Array.from(data.subarray(0, 16)), sha256: await digest(data) };
}

const jobs = {
  async zarrita(url) {
    const zarr = await import("zarrita");
    // without a version, as pages do that do not know what they open
    const group = await zarr.open(new zarr.FetchStore(url), { kind: "group" });
    const levels = [];
    for (const { path } of group.attrs.ome.multiscales[0].datasets) {
      levels.push(await describe(zarr, await zarr.open(group.resolve(path), { kind: "array" })));
    }
    return { levels };
  },

  async omezarr(url) {
    const omezarr = await import("ome-zarr.js");
    const zarr = await import("ome-zarr.js > zarrita");
    const { multiscale } = await omezarr.getMultiscale(url);
    const levels = [];
    for (const index of multiscale.datasets.keys()) {
      const { arr } = await omezarr.getMultiscaleWithArray(url, index);
      levels.push(await describe(zarr, arr));
    }
    return { levels, axes: multiscale.axes.map((axis) => axis.name), thumbnail: await omezarr.renderThumbnail(url, 200) };
  },

  async suffix(url) {
    let sameOrigin = "allowed";
    try {
      await fetch(url, { mode: "same-origin" });
    } catch {
      sameOrigin = "refused";
    }
    const response = await fetch(url, { headers: { Range: "bytes=-20" } });
    const headers = Object.fromEntries(["Content-Range", "ETag"].map((name) => [name, response.headers.get(name)]));
    const body = Array.from(new Uint8Array(await response.arrayBuffer()));
    return { sameOrigin, status: response.status, type: response.type, headers, body };
  },
};

let said;
try {
  said = await jobs[ask.what](ask.url);
} catch (error) {
  said = { error: String(error) };
}
const received = await fetch("/said", { method: "POST", body: JSON.stringify({ origin: location.origin, ...said }) });
await received.text();
window.done = true;
