import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

import { TEST_TIMEOUT_MS } from "./src/test/policy.ts";

const proxy = { "/api": { target: process.env["API_URL"] ?? "http://127.0.0.1:8000", rewrite: (path: string) => path.replace(/^\/api/, "") } };

export default defineConfig({
  plugins: [react()],
  server: { proxy },
  preview: { proxy },
  test: {
    environment: "jsdom",
    setupFiles: ["./src/test/setup.ts"],
    testTimeout: TEST_TIMEOUT_MS,
    hookTimeout: TEST_TIMEOUT_MS,
    restoreMocks: true,
    allowOnly: false,
  },
});
