import { afterEach, describe, expect, it, vi } from "vitest";

import { copy } from "./clipboard";
import { keep, kept } from "./storage";

const isText = (value: unknown): value is string => typeof value === "string";

afterEach(() => localStorage.clear());

describe("storage", () => {
  it("keeps a value, and forgets it", () => {
    keep("a", "x");
    expect(kept("a", isText)).toBe("x");
    keep("a", undefined);
    expect(kept("a", isText)).toBeUndefined();
  });

  it("does not believe what is not what it should be", () => {
    localStorage.setItem("resale.a", "{");
    expect(kept("a", isText)).toBeUndefined();
    localStorage.setItem("resale.a", "3");
    expect(kept("a", isText)).toBeUndefined();
  });

  it("goes on where the browser keeps nothing", () => {
    vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
      throw new DOMException("full", "QuotaExceededError");
    });
    expect(() => keep("a", "x")).not.toThrow();
  });
});

describe("clipboard", () => {
  it("says whether it copied", async () => {
    const writeText = vi.fn().mockResolvedValue(undefined);
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    expect(await copy("x")).toBe(true);
    expect(writeText).toHaveBeenCalledWith("x");
    vi.stubGlobal("navigator", {});
    expect(await copy("x")).toBe(false);
  });
});
