import { describe, expect, it } from "vitest";

import { renderPage, screen, serve, smallWorld, within } from "../test/harness";
import { Sourcing, offers } from "./Sourcing";

const row = async (number: number) => within(await screen.findByRole("row", { name: `Lead ${number}` }));

describe("offers", () => {
  it("are read a line each", () => {
    expect(offers("F-1; SNES-001; 12,50\n\nF-2\tBOOK-7\t3")).toEqual([
      { reference: "F-1", sku: "SNES-001", asking: 1250 },
      { reference: "F-2", sku: "BOOK-7", asking: 300 },
    ]);
  });

  it.each(["", "F-1; SNES-001", "F-1; ; 3", "F-1; A; x", "F-1; A; 3; more"])("are refused as a whole: %s", (text) => {
    expect(offers(text)).toBeUndefined();
  });
});

describe("Sourcing", () => {
  it("runs over offers and shows the leads", async () => {
    const seen = serve(smallWorld());
    const user = renderPage(<Sourcing />);
    await user.type(screen.getByLabelText("Source"), "Estate");
    await user.type(screen.getByLabelText("Offers"), "E-1; SNES-001; 20");
    await user.click(screen.getByRole("button", { name: "Run" }));
    expect(await screen.findByText("1 lead; 0 known, 1 not worth it, 0 passed over")).toBeVisible();
    expect((await row(2)).getByText("Estate, E-1")).toBeVisible();
    expect(seen).toContainEqual({
      method: "POST",
      path: "/api/sourcing/runs",
      body: { source: "Estate", offers: [{ reference: "E-1", sku: "SNES-001", asking: 2000 }], margin_percent: 30 },
    });
  });

  it("converts a lead to a purchase", async () => {
    serve(smallWorld());
    const user = renderPage(<Sourcing />);
    await user.click((await row(1)).getByRole("button", { name: "Convert to purchase" }));
    await user.type(await screen.findByLabelText("Day"), "2026-05-01");
    await user.click(screen.getByRole("button", { name: "Buy it" }));
    expect(await (await row(1)).findByText("Bought as purchase 7")).toBeVisible();
    expect((await row(1)).queryByRole("button")).toBeNull();
  });

  it("leaves a lead for a reason", async () => {
    serve(smallWorld());
    const user = renderPage(<Sourcing />);
    await user.click((await row(1)).getByRole("button", { name: "Discard" }));
    expect(await screen.findByRole("button", { name: "Leave it" })).toBeDisabled();
    await user.type(screen.getByLabelText("Reason"), "broken");
    await user.click(screen.getByRole("button", { name: "Leave it" }));
    expect(await (await row(1)).findByText("Left: broken")).toBeVisible();
  });

  it("says when there is none", async () => {
    serve({ ...smallWorld(), leads: [] });
    renderPage(<Sourcing />);
    expect(await screen.findByText("No lead yet.")).toBeVisible();
  });
});
