ALTER TABLE "lethe"."erasure" ADD COLUMN "account_created" text;--> statement-breakpoint
ALTER TABLE "lethe"."erasure" ADD COLUMN "newer_account_at" timestamp with time zone;