ALTER TABLE "lethe"."erasure" ADD COLUMN IF NOT EXISTS "held_by" text;--> statement-breakpoint
ALTER TABLE "lethe"."erasure" ADD COLUMN IF NOT EXISTS "sign_out_at" timestamp with time zone;