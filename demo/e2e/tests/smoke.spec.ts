import { SEEDED, expect, test } from "./shop.ts";

test("signs in and sees the dashboard", { tag: "@smoke" }, async ({ page, baseURL }) => {
  await page.goto(baseURL ?? "/");
  await page.getByLabel("Name").fill(SEEDED.name);
  await page.getByLabel("Password").fill(SEEDED.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { name: "Dashboard" })).toBeVisible();
  await expect(page.getByRole("group", { name: "Value in stock" })).toHaveText(/[1-9]\d*\.\d\d €/);
  await expect(page.getByRole("group", { name: "Open drafts" })).toHaveText(/[1-9]/);
  await page.reload();
  await expect(page.getByRole("heading", { name: "Dashboard" })).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
});
