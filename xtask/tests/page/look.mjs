// Opens a report as a person would, and says what there is: `node look.mjs REPORT PICTURES`. One JSON object on standard output.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";

import { chromium } from "playwright-core";

const [report, pictures] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

async function program() {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const system = folders.flatMap((folder) => ["chromium", "google-chrome"].map((name) => join(folder, name))).find((file) => existsSync(file));
  if (system) return system;
  process.env.AWS_EXECUTION_ENV ??= "AWS_Lambda_nodejs20.x";
  const { default: packed } = await import("@sparticuz/chromium");
  return packed.executablePath();
}

const quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath: await program(), args: [...(process.getuid() === 0 ? ["--no-sandbox"] : []), ...quiet] });
const seen = { errors: [], requests: [], violations: [] };

/** A new page in a colour scheme, with the report. */
async function open(colorScheme, bypassCSP) {
  const context = await browser.newContext({ colorScheme, bypassCSP, viewport: { width: 1200, height: 900 } });
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("request", (request) => seen.requests.push(request.url()));
  await page.goto(pathToFileURL(report).href);
  return page;
}

const page = await open("light", false);
seen.loaded = await page.evaluate(() => performance.getEntriesByType("navigation")[0].loadEventEnd);
seen.title = await page.title();
seen.verdict = await page.locator("h1 .v").textContent();
seen.failures = await page.locator("#failures h3").allTextContents();
seen.flakes = await page.locator("#flakes tbody tr").count();
seen.bars = await page.locator(".gantt rect").count();
seen.links = await page.locator("#failures a[href^='logs/']").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
seen.injected = await page.evaluate(() => Boolean(window.injected) || document.querySelectorAll("img, iframe, object").length > 0);
await page.screenshot({ path: join(pictures, "light.png"), fullPage: false });

// By keyboard alone: `/` searches, Tab and Enter open a gate.
await page.keyboard.press("/");
await page.keyboard.type("case 19");
await page.locator("#found").waitFor({ state: "visible" });
seen.found = await page.locator("#count").textContent();
seen.hits = await page.locator("#hits tr").count();
await page.keyboard.press("Escape");
await page.locator("#found").waitFor({ state: "hidden" });
await page.locator("input[name=outcome][value=p]").uncheck();
seen.notPassed = await page.locator("#count").textContent();
await page.locator("input[name=outcome][value=p]").check();
const gate = page.locator("details.gate").first();
await gate.locator("summary").focus();
await page.keyboard.press("Enter");
await gate.locator(".cases tbody tr").first().waitFor();
seen.rows = await gate.locator(".cases tbody tr").count();
const more = gate.getByRole("button", { name: /Show more/ });
if (await more.count()) {
  await more.focus();
  await page.keyboard.press("Enter");
  seen.moreRows = await gate.locator(".cases tbody tr").count();
}
await page.keyboard.press("Home");

// axe needs to be put into the page, which its policy forbids; nothing else of it changes.
for (const scheme of ["light", "dark"]) {
  const other = await open(scheme, true);
  await other.locator("details.gate").first().locator("summary").click();
  await other.evaluate(axe);
  const found = await other.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  seen.violations.push(...found.violations.map((one) => `${scheme}: ${one.id}: ${one.nodes[0].html}: ${one.nodes[0].failureSummary}`));
  await other.screenshot({ path: join(pictures, `${scheme}-whole.png`), fullPage: true });
}
seen.foreign = seen.requests.filter((url) => url !== pathToFileURL(report).href);
delete seen.requests;
await browser.close();
console.log(JSON.stringify(seen));
