/** Which browser the tests drive: Playwright's own where it is installed, the system's, else the one that an npm package carries. */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

import { chromium } from "@playwright/test";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

function onPath(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find((file) => existsSync(file));
}

/** The file of a Chromium. */
export async function executable(): Promise<string> {
  const own = chromium.executablePath();
  if (existsSync(own)) return own;
  const system = onPath();
  if (system) return system;
  // It comes packed, and brings the libraries that a bare machine lacks.
  process.env["AWS_EXECUTION_ENV"] ??= "AWS_Lambda_nodejs20.x";
  const { default: packed } = await import("@sparticuz/chromium");
  return packed.executablePath();
}
