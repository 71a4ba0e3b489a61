import { describe, expect, it } from "vitest";

import { NEXT, STATUS_LABEL, cents, euros } from "./format";

describe("euros", () => {
  it.each([
    [0, "0.00 €"],
    [5, "0.05 €"],
    [123456, "1234.56 €"],
    [-250, "-2.50 €"],
  ])("writes %i cents", (value, expected) => {
    expect(euros(value)).toBe(expected);
  });
});

describe("cents", () => {
  it.each([
    ["12", 1200],
    ["12.5", 1250],
    ["12,50", 1250],
    [" 0.05 ", 5],
  ])("reads %s", (text, expected) => {
    expect(cents(text)).toBe(expected);
  });

  it.each(["", "x", "1.234", "-1", "1e3"])("refuses %s", (text) => {
    expect(cents(text)).toBeUndefined();
  });
});

describe("states", () => {
  it("have a label and only follow to known states", () => {
    for (const [state, next] of Object.entries(NEXT)) {
      expect(STATUS_LABEL).toHaveProperty(state);
      for (const to of next) expect(STATUS_LABEL).toHaveProperty(to);
    }
  });
});
