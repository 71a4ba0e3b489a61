import { describe, expect, it } from "vitest";

import { choose, renderPage, screen, serve, smallWorld, within } from "../test/harness";
import { Sales } from "./Sales";

const card = async (number: number) => within(await screen.findByRole("article", { name: `Sale ${number}` }));

describe("Sales", () => {
  it("begins a draft, adds a listed piece, and sells it", async () => {
    serve(smallWorld());
    const user = renderPage(<Sales />);
    await user.type(screen.getByLabelText("Buyer"), "Ben");
    await user.type(screen.getByLabelText("Day"), "2026-05-01");
    await user.click(screen.getByRole("button", { name: "Begin" }));
    await user.click((await card(2)).getByRole("button", { name: "Add piece" }));
    await choose(user, "Item", "2: Star Quest (PAL)");
    await user.type(screen.getByLabelText("Price"), "30");
    await user.click(screen.getByRole("button", { name: "Save piece" }));
    expect(await (await card(2)).findByText("Item 2 at 30.00 €")).toBeVisible();
    await user.click((await card(2)).getByRole("button", { name: "Finalize sale" }));
    await user.click(await screen.findByRole("button", { name: "Yes, sell" }));
    expect(await (await card(2)).findByText("Finalized · total 30.00 €")).toBeVisible();
    expect((await card(2)).queryByRole("button", { name: "Add piece" })).toBeNull();
  });

  it("takes a piece back", async () => {
    const seen = serve(smallWorld());
    const user = renderPage(<Sales />);
    await user.click((await card(1)).getByRole("button", { name: "Return item 3" }));
    const sheet = within(await screen.findByRole("dialog", { name: "Return item 3" }));
    await user.type(sheet.getByLabelText("Day"), "2026-04-05");
    await user.type(sheet.getByLabelText("Refund"), "12");
    await user.type(sheet.getByLabelText("Reason"), "torn");
    await user.click(sheet.getByLabelText("Back to the shelf"));
    await user.click(sheet.getByRole("button", { name: "Take back" }));
    expect(await (await card(1)).findByText(/came back broken: torn, 12.00 € paid back/)).toBeVisible();
    expect((await card(1)).getByText("Finalized · total 0.00 €")).toBeVisible();
    expect(seen).toContainEqual({
      method: "POST",
      path: "/api/sales/1/returns",
      body: { item: 3, day: "2026-04-05", refund: 1200, restock: false, reason: "torn" },
    });
  });

  it("shows why a sale cannot be finalized", async () => {
    const world = smallWorld();
    world.sales = [{ number: 1, buyer: "Ann", day: "2026-04-01", state: "draft", lines: [], total: 0 }];
    serve(world);
    const user = renderPage(<Sales />);
    await user.click((await card(1)).getByRole("button", { name: "Finalize sale" }));
    await user.click(await screen.findByRole("button", { name: "Yes, sell" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("sale 1 has no pieces");
  });

  it("says when there is none", async () => {
    serve({ ...smallWorld(), sales: [] });
    renderPage(<Sales />);
    expect(await screen.findByText("No sale yet.")).toBeVisible();
  });
});
