// The page verify.html in Chromium, opened from disk: gives it one bundle after the other and
// says what it shows. One JSON object per job, on standard output.
//
// usage: node bundle.mjs PAGE < jobs.json
// job: {"bundle": FILE, "vkey"?: TEXT, "witness"?: TEXT, "kept"?: [FILE], "drop"?: true, "shot"?: FILE}
import { createRequire } from "node:module";
import { existsSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../.tools/", import.meta.url));
const { chromium } = require("playwright-core");
const executablePath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser"].find(path => path && existsSync(path));
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const url = pathToFileURL(process.argv[2]).href;
const page = await browser.newPage({ locale: "en" });
let heard = [];
page.on("request", request => [url, "about:blank"].includes(request.url()) || heard.push(`request ${request.url()}`));
page.on("pageerror", error => heard.push(`error ${error.message}`));
page.on("console", message => heard.push(`console ${message.text()}`));
page.on("dialog", dialog => { heard.push("dialog"); dialog.dismiss(); });
for (const job of JSON.parse(readFileSync(0, "utf8"))) {
  heard = [];
  await page.goto("about:blank");
  await page.goto(url);
  await page.evaluate(() => { document.getElementById("bring").open = true; });
  if (job.vkey) await page.fill("#vkey", job.vkey);
  if (job.witness) await page.fill("#witness", job.witness);
  if (job.kept) await page.setInputFiles("#kept", job.kept);
  if (job.drop) {
    const base64 = readFileSync(job.bundle).toString("base64");
    const dropped = await page.evaluateHandle(async base64 => {
      const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0)), transfer = new DataTransfer();
      transfer.items.add(new File([bytes], "bundle.zip"));
      return transfer;
    }, base64);
    await page.dispatchEvent("#drop", "drop", { dataTransfer: dropped });
  } else await page.setInputFiles("#bundle", job.bundle);
  await page.waitForFunction(() => ![undefined, "busy"].includes(document.getElementById("verdict").dataset.verdict));
  for (const row of await page.$$("#entries tbody tr")) await row.evaluate(row => row.click());
  if (job.shot) await page.screenshot({ path: job.shot, fullPage: true });
  const shown = await page.evaluate(() => {
    const said = id => Array.from(document.querySelectorAll(`#${id} li`), item => item.innerText);
    return {
      verdict: document.getElementById("verdict").dataset.verdict,
      proven: said("proven"), open: said("open"), wrong: said("wrong"),
      rows: document.querySelectorAll("#entries tbody tr:not(.detail)").length,
      details: document.querySelector("#entries tbody").textContent,
      // What a text that is not taken as text could have made.
      strange: document.querySelectorAll("img, iframe, object, a, script[src], svg").length,
    };
  });
  console.log(JSON.stringify({ ...shown, heard }));
}
await browser.close();
