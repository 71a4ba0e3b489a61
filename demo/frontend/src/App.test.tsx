import { describe, expect, it } from "vitest";

import { App } from "./App";
import { PASSWORD, renderPage, screen, serve, smallWorld } from "./test/harness";

async function signIn(password = PASSWORD) {
  const user = renderPage(<App />);
  await user.type(screen.getByLabelText("Name"), "owner");
  await user.type(screen.getByLabelText("Password"), password);
  await user.click(screen.getByRole("button", { name: "Sign in" }));
  return user;
}

describe("App", () => {
  it("asks who is there, and says when that is nobody", async () => {
    serve(smallWorld());
    await signIn("guess");
    expect(await screen.findByRole("alert")).toHaveTextContent("name or password is wrong");
    expect(screen.queryByRole("navigation")).toBeNull();
  });

  it("changes pages and says which one is shown", async () => {
    serve(smallWorld());
    const user = await signIn();
    expect(await screen.findByRole("button", { name: "Dashboard" })).toHaveAttribute("aria-current", "page");
    for (const name of ["Purchases", "Sourcing", "Inventory", "Master products", "Marketplace", "Sales", "Reports"]) {
      await user.click(screen.getByRole("button", { name }));
      expect(await screen.findByRole("heading", { name })).toBeVisible();
    }
  });

  it("comes back to the same page, signed in", async () => {
    serve(smallWorld());
    const user = await signIn();
    await user.click(await screen.findByRole("button", { name: "Sales" }));
    renderPage(<App />);
    expect(await screen.findAllByRole("heading", { name: "Sales" })).toHaveLength(2);
  });

  it("signs out", async () => {
    const seen = serve(smallWorld());
    const user = await signIn();
    await user.click(await screen.findByRole("button", { name: "Sign out" }));
    expect(await screen.findByRole("heading", { name: "Sign in" })).toBeVisible();
    expect(seen.at(-1)).toMatchObject({ method: "DELETE", path: "/api/session" });
  });

  it("asks again when the service forgot the session", async () => {
    serve(smallWorld(), { "/api/sales": { status: 401, body: { detail: "sign in first" } } });
    const user = await signIn();
    await user.click(await screen.findByRole("button", { name: "Sales" }));
    expect(await screen.findByRole("heading", { name: "Sign in" })).toBeVisible();
  });
});
