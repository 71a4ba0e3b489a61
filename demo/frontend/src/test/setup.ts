import "@testing-library/jest-dom/vitest";

import { cleanup, configure } from "@testing-library/react";
import { afterEach } from "vitest";

import { FIND_TIMEOUT_MS } from "./policy";

configure({ asyncUtilTimeout: FIND_TIMEOUT_MS });
afterEach(() => {
  cleanup();
  localStorage.clear();
});

// Radix asks for what jsdom does not draw.
Element.prototype.hasPointerCapture = () => false;
Element.prototype.setPointerCapture = () => {};
Element.prototype.releasePointerCapture = () => {};
Element.prototype.scrollIntoView = () => {};
globalThis.ResizeObserver = class {
  observe() {}
  unobserve() {}
  disconnect() {}
};
