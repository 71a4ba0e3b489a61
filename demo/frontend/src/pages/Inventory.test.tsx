import { describe, expect, it } from "vitest";

import { choose, gone, renderPage, screen, serve, smallWorld, within } from "../test/harness";
import { Inventory } from "./Inventory";

const row = async (number: number) => {
  const cell = await screen.findByRole("cell", { name: String(number) });
  return within(cell.closest("tr") as HTMLElement);
};

describe("Inventory", () => {
  it("shows items, costs and the value", async () => {
    serve(smallWorld());
    renderPage(<Inventory />);
    expect(await screen.findByText("3 items")).toBeVisible();
    expect((await row(1)).getByText("16.00 €")).toBeVisible();
    expect(screen.getByText("Value 40.00 €")).toBeVisible();
  });

  it("says that it is loading, then not any more", async () => {
    serve(smallWorld());
    renderPage(<Inventory />);
    expect(screen.getByRole("status")).toHaveTextContent("Loading");
    await gone(() => screen.queryByRole("status"));
    expect(screen.getByRole("table")).toBeVisible();
  });

  it("searches on the server", async () => {
    const seen = serve(smallWorld());
    const user = renderPage(<Inventory />);
    await user.type(await screen.findByRole("searchbox"), "atlas");
    expect(await screen.findByText("1 item")).toBeVisible();
    expect(seen.at(-1)?.path).toBe("/api/inventory?q=atlas");
  });

  it("says when nothing matches", async () => {
    serve(smallWorld());
    const user = renderPage(<Inventory />);
    await user.type(await screen.findByRole("searchbox"), "zzz");
    expect(await screen.findByText("Nothing matches.")).toBeVisible();
  });

  it("filters by status through the Radix select", async () => {
    const seen = serve(smallWorld());
    const user = renderPage(<Inventory />);
    await screen.findByText("3 items");
    await choose(user, "Status", "Listed");
    expect(await screen.findByText("1 item")).toBeVisible();
    expect(seen.at(-1)?.path).toBe("/api/inventory?status=listed");
  });

  it("offers only the states that follow", async () => {
    serve(smallWorld());
    renderPage(<Inventory />);
    const buttons = async (number: number) => (await row(number)).queryAllByRole("button").map((button) => button.textContent);
    expect(await buttons(1)).toEqual(["Listed", "Written off"]);
    expect(await buttons(2)).toEqual(["Sold", "In stock"]);
    expect(await buttons(3)).toEqual([]);
  });

  it("moves an item and shows its new state", async () => {
    const seen = serve(smallWorld());
    const user = renderPage(<Inventory />);
    await user.click((await row(1)).getByRole("button", { name: "Listed" }));
    expect(await (await row(1)).findByRole("button", { name: "Sold" })).toBeVisible();
    expect(seen).toContainEqual({ method: "POST", path: "/api/inventory/1/move", body: { status: "listed" } });
  });

  it("shows why a move was refused", async () => {
    serve(smallWorld(), { "/api/inventory/1/move": { status: 409, body: { detail: "item 1 is reserved" } } });
    const user = renderPage(<Inventory />);
    await user.click((await row(1)).getByRole("button", { name: "Listed" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("item 1 is reserved");
  });

  it("shows that the service failed", async () => {
    serve(smallWorld(), { "/api/inventory": { status: 500, body: {} } });
    renderPage(<Inventory />);
    expect(await screen.findByRole("alert")).toHaveTextContent("the service answered 500");
  });
});
