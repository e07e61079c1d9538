// Opens a page in headless Chromium and reports what a person would see and what the console would say.
// Arguments: one JSON object {url, png, chromium, ready, timeout, width, height, click}.
//   ready: JavaScript expression that becomes true when the page has drawn all it needs.
// Prints one JSON object {ready, console, failed, responses, colours}.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const ask = JSON.parse(process.argv[2]);
const profile = mkdtempSync(join(tmpdir(), "s3facade-browser-"));
const report = { ready: false, console: [], failed: [], responses: {} };

const context = await chromium.launchPersistentContext(profile, {
  executablePath: ask.chromium,
  headless: true,
  viewport: { width: ask.width ?? 1200, height: ask.height ?? 800 },
  args: [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
try {
  const page = context.pages()[0] ?? (await context.newPage());
  page.on("console", (message) => {
    if (["error", "warning", "assert"].includes(message.type())) {
      report.console.push({ type: message.type(), text: message.text(), url: message.location().url });
    }
  });
  page.on("pageerror", (error) => report.console.push({ type: "pageerror", text: String(error), url: "" }));
  context.on("requestfailed", (request) =>
    report.failed.push({ url: request.url(), reason: request.failure()?.errorText ?? "" }),
  );
  context.on("response", (response) => {
    const url = new URL(response.url());
    if (url.port === String(ask.port)) {
      const line = `${response.request().method()} ${response.status()} ${url.pathname}`;
      report.responses[line] = (report.responses[line] ?? 0) + 1;
    }
  });
  await page.goto(ask.url, { waitUntil: "load", timeout: ask.timeout });
  try {
    await page.waitForFunction(ask.ready, undefined, { timeout: ask.timeout, polling: 250 });
    report.ready = true;
  } catch (error) {
    report.console.push({ type: "timeout", text: String(error.message), url: "" });
  }
  await page.waitForTimeout(ask.settle ?? 700);
  await page.screenshot({ path: ask.png });
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}
console.log(JSON.stringify(report));
