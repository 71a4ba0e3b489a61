import { describe, expect, it } from "vitest";

import { choose, gone, renderPage, screen, serve, smallWorld, within } from "../test/harness";
import { Purchases } from "./Purchases";

const card = async (number: number) => within(await screen.findByRole("article", { name: `Purchase ${number}` }));

describe("Purchases", () => {
  it("lists purchases with their sums", async () => {
    serve(smallWorld());
    renderPage(<Purchases />);
    expect((await card(1)).getByText("Draft · goods 0.00 € · travel 0.00 €")).toBeVisible();
  });

  it("says when there is none", async () => {
    serve({ ...smallWorld(), purchases: [] });
    renderPage(<Purchases />);
    expect(await screen.findByText("No purchase yet.")).toBeVisible();
  });

  it("begins a draft and clears the form", async () => {
    serve(smallWorld());
    const user = renderPage(<Purchases />);
    await user.type(screen.getByLabelText("Seller"), "Estate");
    await user.type(screen.getByLabelText("Day"), "2026-03-05");
    await user.click(screen.getByRole("button", { name: "Begin" }));
    expect((await card(2)).getByText("Estate, 2026-03-05")).toBeVisible();
    expect(screen.getByLabelText("Seller")).toHaveValue("");
  });

  it("does not begin without a seller and a day", async () => {
    serve(smallWorld());
    const user = renderPage(<Purchases />);
    const begin = screen.getByRole("button", { name: "Begin" });
    expect(begin).toBeDisabled();
    await user.type(screen.getByLabelText("Seller"), "Estate");
    expect(begin).toBeDisabled();
  });

  it("adds a line through the dialog", async () => {
    const seen = serve(smallWorld());
    const user = renderPage(<Purchases />);
    await user.click((await card(1)).getByRole("button", { name: "Add line" }));
    const dialog = within(await screen.findByRole("dialog", { name: "Add line" }));
    await choose(user, "Article", "Star Quest (PAL)");
    await user.clear(dialog.getByLabelText("Quantity"));
    await user.type(dialog.getByLabelText("Quantity"), "2");
    await user.type(dialog.getByLabelText("Price"), "10,50");
    await user.click(dialog.getByRole("button", { name: "Save line" }));
    expect(await (await card(1)).findByText("2 × SNES-001 at 10.50 €")).toBeVisible();
    expect(seen).toContainEqual({ method: "POST", path: "/api/purchases/1/lines", body: { sku: "SNES-001", quantity: 2, unit_cost: 1050 } });
    await gone(() => screen.queryByRole("dialog"));
  });

  it("marks a price that is none", async () => {
    serve(smallWorld());
    const user = renderPage(<Purchases />);
    await user.click((await card(1)).getByRole("button", { name: "Add line" }));
    const price = await screen.findByLabelText("Price");
    await user.type(price, "ten");
    expect(price).toBeInvalid();
    expect(screen.getByRole("button", { name: "Save line" })).toBeDisabled();
  });

  it("adds a trip to the mileage log", async () => {
    serve(smallWorld());
    const user = renderPage(<Purchases />);
    await user.click((await card(1)).getByRole("button", { name: "Add trip" }));
    await user.type(await screen.findByLabelText("Kilometres"), "40");
    await user.type(screen.getByLabelText("Purpose"), "collect");
    await user.click(screen.getByRole("button", { name: "Save trip" }));
    expect(await (await card(1)).findByText("2026-03-01: 40 km, collect")).toBeVisible();
    expect((await card(1)).getByText(/travel 12.00 €/)).toBeVisible();
  });

  it("closes a dialog without a change", async () => {
    const seen = serve(smallWorld());
    const user = renderPage(<Purchases />);
    await user.click((await card(1)).getByRole("button", { name: "Add trip" }));
    await user.click(await screen.findByRole("button", { name: "Cancel" }));
    await gone(() => screen.queryByRole("dialog"));
    expect(seen.filter((request) => request.method === "POST")).toEqual([]);
  });

  it("finalizes after a question, and the draft's buttons are gone", async () => {
    const world = smallWorld();
    world.purchases[0]!.lines = [{ sku: "BOOK-7", quantity: 1, unit_cost: 500 }];
    serve(world);
    const user = renderPage(<Purchases />);
    await user.click((await card(1)).getByRole("button", { name: "Finalize" }));
    await user.click(await screen.findByRole("button", { name: "Yes, finalize" }));
    expect(await (await card(1)).findByText(/^Finalized/)).toBeVisible();
    expect((await card(1)).queryByRole("button", { name: "Add line" })).toBeNull();
  });

  it("shows why a purchase cannot be finalized", async () => {
    serve(smallWorld());
    const user = renderPage(<Purchases />);
    await user.click((await card(1)).getByRole("button", { name: "Finalize" }));
    await user.click(await screen.findByRole("button", { name: "Yes, finalize" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("purchase 1 has no lines");
  });
});
