import { expect, test } from "./shop.ts";

const FILE = ["reference,sku,price", "E-1,SKU-6,37.50", "E-2,NO-SUCH-ARTICLE,1"].join("\n");

test("a file of listings is previewed, then applied", { tag: "@marketplace" }, async ({ shop }) => {
  const { page, go } = shop;
  await go("Marketplace");
  await page.getByLabel("Market", { exact: true }).fill("e-shop");
  await page.getByLabel("File").fill(FILE);
  await page.getByRole("button", { name: "Preview" }).click();
  const preview = page.getByRole("table", { name: "Preview" });
  await expect(preview.getByRole("row", { name: /E-1 SKU-6/ })).toContainText("New");
  await expect(preview.getByRole("row", { name: /E-2/ })).toContainText("Refused: there is no product NO-SUCH-ARTICLE");
  await page.reload();
  await go("Marketplace");
  await expect(page.getByRole("cell", { name: "E-1", exact: true })).toHaveCount(0); // a look changes nothing

  await page.getByLabel("Market", { exact: true }).fill("e-shop");
  await page.getByLabel("File").fill(FILE);
  await page.getByRole("button", { name: "Preview" }).click();
  await page.getByRole("button", { name: "Apply" }).click();
  await expect(page.getByText("Applied: 1 new, 0 repriced, 1 refused")).toBeVisible();
  await page.reload();
  const listed = page.getByRole("row", { name: /e-shop E-1/ });
  await expect(listed).toContainText("37.50 €");

  const item = (await listed.getByRole("cell").nth(2).textContent()) ?? "";
  await go("Inventory");
  await page.getByLabel("Search").fill("SKU-6");
  await expect(page.getByRole("row").filter({ has: page.getByRole("cell", { name: item, exact: true }) })).toContainText("Listed");
});
