import { describe, expect, it } from "vitest";

import { choose, renderPage, screen, serve, smallWorld } from "../test/harness";
import { MasterProducts } from "./MasterProducts";

describe("MasterProducts", () => {
  it("lists articles with category and attributes", async () => {
    serve(smallWorld());
    renderPage(<MasterProducts />);
    expect(await screen.findByRole("row", { name: "SNES-001 Star Quest (PAL) Games region: PAL, box: yes" })).toBeVisible();
    expect(screen.getByText("2 articles")).toBeVisible();
  });

  it("says when there is none", async () => {
    serve({ ...smallWorld(), products: [] });
    renderPage(<MasterProducts />);
    expect(await screen.findByText("No article yet.")).toBeVisible();
  });

  it("adds an article and empties the form", async () => {
    const seen = serve(smallWorld());
    const user = renderPage(<MasterProducts />);
    await user.type(screen.getByRole("textbox", { name: "SKU" }), "cam-1");
    await user.type(screen.getByRole("textbox", { name: "Title" }), "Camera");
    await choose(user, "Category", "Electronics");
    await user.click(screen.getByRole("button", { name: "Add" }));
    expect(await screen.findByText("3 articles")).toBeVisible();
    expect(screen.getByRole("textbox", { name: "SKU" })).toHaveValue("");
    expect(seen).toContainEqual({ method: "POST", path: "/api/products", body: { sku: "cam-1", title: "Camera", category: "electronics" } });
  });

  it("keeps what was typed when the service refuses", async () => {
    serve(smallWorld());
    const user = renderPage(<MasterProducts />);
    await user.type(screen.getByRole("textbox", { name: "SKU" }), "BOOK-7");
    await user.type(screen.getByRole("textbox", { name: "Title" }), "Another");
    await user.click(screen.getByRole("button", { name: "Add" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("product BOOK-7 exists");
    expect(screen.getByRole("textbox", { name: "Title" })).toHaveValue("Another");
  });

  it("wants a SKU and a title", async () => {
    serve(smallWorld());
    const user = renderPage(<MasterProducts />);
    expect(screen.getByRole("button", { name: "Add" })).toBeDisabled();
    await user.type(screen.getByRole("textbox", { name: "SKU" }), "a");
    expect(screen.getByRole("button", { name: "Add" })).toBeDisabled();
    await user.type(screen.getByRole("textbox", { name: "Title" }), "b");
    expect(screen.getByRole("button", { name: "Add" })).toBeEnabled();
  });

  it("shows that the service failed", async () => {
    serve(smallWorld(), { "/api/products": { status: 500, body: {} } });
    renderPage(<MasterProducts />);
    expect(await screen.findByRole("alert")).toHaveTextContent("the service answered 500");
  });
});
