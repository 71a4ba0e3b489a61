import { describe, expect, it } from "vitest";

import { gone, renderPage, screen, serve, smallWorld, within } from "../test/harness";
import { Dashboard } from "./Dashboard";

const figure = async (label: string) => within(await screen.findByRole("group", { name: label })).getByRole("definition").textContent;

describe("Dashboard", () => {
  it("counts items by state", async () => {
    serve(smallWorld());
    renderPage(<Dashboard year={2026} />);
    expect(await figure("In stock")).toBe("1");
    expect(await figure("Listed")).toBe("1");
    expect(await figure("Sold")).toBe("1");
    expect(await figure("Written off")).toBe("0");
  });

  it("shows value, drafts and kilometres", async () => {
    const world = smallWorld();
    world.purchases = world.purchases.map((purchase) => ({ ...purchase, trips: [{ day: "2026-03-01", kilometres: 42, purpose: "collect" }] }));
    serve(world);
    renderPage(<Dashboard year={2026} />);
    expect(await figure("Value in stock")).toBe("32.00 €");
    expect(await figure("Open drafts")).toBe("1");
    expect(await figure("Kilometres in 2026")).toBe("42 km");
  });

  it("asks for its year", async () => {
    const seen = serve(smallWorld());
    renderPage(<Dashboard year={2025} />);
    expect(await figure("Kilometres in 2025")).toBe("0 km");
    expect(seen.map((request) => request.path)).toEqual(["/api/dashboard?year=2025"]);
  });

  it("says that it is loading, then not any more", async () => {
    serve(smallWorld());
    renderPage(<Dashboard year={2026} />);
    expect(screen.getByRole("status")).toHaveTextContent("Loading");
    await gone(() => screen.queryByRole("status"));
  });

  it("shows that the service failed", async () => {
    serve(smallWorld(), { "/api/dashboard": { status: 503, body: { detail: "no database" } } });
    renderPage(<Dashboard year={2026} />);
    expect(await screen.findByRole("alert")).toHaveTextContent("no database");
  });
});
