import { join } from "node:path";

import { defineConfig } from "@playwright/test";

import { executable } from "./browser.ts";

const out = process.env["GATE_OUT"] ?? ".";

/** Each worker has a service and a database of its own: BASE_URLS names them in order. */
export default defineConfig({
  testDir: "tests",
  outputDir: join(out, "playwright"),
  fullyParallel: true,
  forbidOnly: true,
  retries: 0,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: "list",
  use: {
    locale: "en-GB",
    timezoneId: "UTC",
    viewport: { width: 1280, height: 900 },
    screenshot: "only-on-failure",
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: await executable(),
      // A browser of root has no sandbox; nothing here may speak to anybody but the service.
      args: [
        ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
